"""Which implementation of the kernels runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import get_args

from torch import Tensor

from potentials.cache import CACHE_VARIABLE
from potentials.config.train import Kernels
from potentials.errors import PotentialsError
from potentials.kernels import reference
from potentials.kernels.codegen.code_cache import cache_folder
from potentials.kernels.codegen.llvm.compiler import processor
from potentials.kernels.codegen.llvm.threads import threading_layer
from potentials.kernels.codegen.triton.programs import is_interpreted
from potentials.kernels.cpu import backend as cpu
from potentials.kernels.gpu import backend as gpu
from potentials.kernels.gpu.trials import tried_kernels

VARIABLE = "POTENTIALS_KERNELS"
_CHOICES = get_args(Kernels)
_choice: list[str | None] = [None]
_GPU_WHERE_RIGHT = tried_kernels(is_strict=False)
_GPU_ONLY = tried_kernels(is_strict=True)


def chosen_kernels() -> str:
    """What was asked for: by `use_kernels`, or else by the environment variable POTENTIALS_KERNELS, or else `auto`.

    Raises:
        PotentialsError: the variable holds something else.
    """
    choice = _choice[0] or os.environ.get(VARIABLE) or "auto"
    if choice not in _CHOICES:
        raise PotentialsError(f"environment variable {VARIABLE}: expected one of {', '.join(_CHOICES)}; got {choice!r}")
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


def implementation(tensor: Tensor) -> ModuleType | SimpleNamespace:
    """The functions that serve tensors like this one. On a GPU each Triton kernel is tried at its first use.

    Raises:
        PotentialsError: the implementation that was asked for does not serve this device or precision.
    """
    choice = chosen_kernels()
    on_cpu = tensor.is_cpu and tensor.dtype in cpu.DTYPES
    if choice == "auto":
        if on_cpu:
            return cpu
        return _GPU_WHERE_RIGHT if tensor.device.type == "cuda" and gpu.serves(tensor) else reference
    if choice == "cpu" and not on_cpu:
        raise PotentialsError(
            f"kernels: cpu serves float32 and float64 on a CPU, got {tensor.dtype} on {tensor.device}; use auto"
        )
    if choice == "gpu" and not gpu.serves(tensor):
        raise PotentialsError(
            "kernels: gpu serves float32 and float64 on a CUDA device, with the package triton, which comes with "
            f"PyTorch for CUDA; got {tensor.dtype} on {tensor.device}; use auto"
        )
    on_gpu = _GPU_ONLY if tensor.device.type == "cuda" else gpu
    return {"reference": reference, "cpu": cpu, "gpu": on_gpu}[choice]


def describe_kernels(tensor: Tensor) -> str:
    """What serves tensors like this one, in words."""
    found = implementation(tensor)
    if found is reference:
        return "plain PyTorch (reference)"
    if any(found is kernels for kernels in (gpu, _GPU_WHERE_RIGHT, _GPU_ONLY)):
        return f"Triton{', interpreted' if is_interpreted() else ''}, and plain PyTorch for the rest"
    kept = cache_folder()
    where = (
        f"kept in {kept}" if kept else f"compiled anew in each process: no folder to keep them; set {CACHE_VARIABLE}"
    )
    return f"compiled for {processor()}, on {threading_layer()}, {where}"
