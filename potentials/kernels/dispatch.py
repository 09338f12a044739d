"""Which implementation of the kernels runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import get_args

from torch import Tensor

from potentials.config.train import Kernels
from potentials.errors import PotentialsError
from potentials.kernels import reference
from potentials.kernels.cpu import backend as cpu
from potentials.kernels.cpu.compiler import CACHE_VARIABLE, cache_folder, processor
from potentials.kernels.cpu.threads import threading_layer

VARIABLE = "POTENTIALS_KERNELS"
_choice: list[str | None] = [None]


def chosen_kernels() -> str:
    """What was asked for: by `use_kernels`, or else by the environment variable POTENTIALS_KERNELS, or else `auto`.

    Raises:
        PotentialsError: the variable holds something else.
    """
    choice = _choice[0] or os.environ.get(VARIABLE) or "auto"
    if choice not in get_args(Kernels):
        expected = ", ".join(get_args(Kernels))
        raise PotentialsError(f"environment variable {VARIABLE}: expected one of {expected}; got {choice!r}")
    return choice


@contextmanager
def use_kernels(kernels: Kernels) -> Iterator[None]:
    """Have an implementation run while the context lasts, in the whole process: backward passes have own threads.

    `auto` leaves it to the environment variable, where that is set.
    """
    earlier = _choice[0]
    _choice[0] = None if kernels == "auto" else kernels
    try:
        yield
    finally:
        _choice[0] = earlier


def implementation(tensor: Tensor) -> ModuleType:
    """The module whose functions serve tensors like this one.

    Raises:
        PotentialsError: the implementation that was asked for does not serve this device or precision.
    """
    choice = chosen_kernels()
    served = tensor.device.type == "cpu" and tensor.dtype in cpu.DTYPES
    if choice == "reference" or (choice == "auto" and not served):
        return reference
    if not served:
        raise PotentialsError(
            f"kernels: {choice} serves float32 and float64 on a CPU, got {tensor.dtype} on {tensor.device}; use auto"
        )
    return cpu


def describe_kernels(tensor: Tensor) -> str:
    """What serves tensors like this one, in words."""
    if implementation(tensor) is reference:
        return "plain PyTorch (reference)"
    kept = cache_folder()
    where = (
        f"kept in {kept}" if kept else f"compiled anew in each process: no folder to keep them; set {CACHE_VARIABLE}"
    )
    return f"compiled for {processor()}, on {threading_layer()}, {where}"
