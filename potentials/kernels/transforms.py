"""What surrounds a call: transformations of functions (`torch.func`, forward mode), and automatic lower precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad

_Result = TypeVar("_Result")


def is_transformed() -> bool:
    """Whether a transformation of `torch.func` is running (`grad`, `vjp`, `jvp`, `vmap`, ...), or forward mode.

    Derivatives that a kernel computes are unknown to these: functions of PyTorch have to do its work.
    """
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def kept_constants(maxsize: int) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Keep the tensors that a function makes, for calls with equal arguments.

    Tensors that are made while a transformation runs belong to it and are not kept; those made in inference mode could
    never be trained with.
    """

    def decorate(make: Callable[..., _Result]) -> Callable[..., _Result]:
        @lru_cache(maxsize)
        def kept(*arguments: Any) -> _Result:
            with torch.inference_mode(False):
                return make(*arguments)

        @wraps(make)
        def get(*arguments: Any) -> _Result:
            return make(*arguments) if is_transformed() else kept(*arguments)

        return get

    return decorate


def is_autocast() -> bool:
    """Whether `torch.autocast` surrounds this, on any device."""
    return torch._C._is_any_autocast_enabled()
