"""The context of a call: function transforms (`torch.func`, forward mode) and autocast."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import torch
from torch.autograd import forward_ad

_Result = TypeVar("_Result")


def is_transformed() -> bool:
    """Return whether a `torch.func` transform (`grad`, `vjp`, `jvp`, `vmap`, ...) or forward mode is active.

    These cannot use the derivatives that a kernel computes, so PyTorch functions replace the kernel.
    """
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def kept_constants(maxsize: int) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Cache the tensors that a function creates, for calls with equal arguments.

    Tensors created during a transform belong to it and are not cached. Tensors created in inference mode could not be
    used in training.
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
    """Return whether `torch.autocast` is active on any device."""
    return torch._C._is_any_autocast_enabled()
