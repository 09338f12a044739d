"""Which implementation of the kernels runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast, get_args

from torch import Tensor

from potentials.cache import CACHE_VARIABLE
from potentials.config.train import Kernels
from potentials.errors import PotentialsError
from potentials.kernels.codegen.code_cache import cache_folder
from potentials.kernels.codegen.llvm.compiler import processor
from potentials.kernels.codegen.llvm.threads import threading_layer
from potentials.kernels.codegen.triton.programs import is_interpreted
from potentials.kernels.registry import IMPLEMENTATIONS, Backend, serves
from potentials.kernels.trials import tried

VARIABLE = "POTENTIALS_KERNELS"
_CHOICES = get_args(Kernels)
_SERVED = {
    "cpu": "float32 and float64 on a CPU",
    "gpu": "float32 and float64 on a CUDA device, with the package triton, which comes with PyTorch for CUDA",
}
_choice: list[str | None] = [None]


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


def chosen_backend(tensor: Tensor) -> Backend:
    """What computes with tensors like this one.

    Raises:
        PotentialsError: the implementation that was asked for does not serve this device or dtype.
    """
    choice = chosen_kernels()
    if choice == "auto":
        if serves("cpu", tensor):
            return "cpu"
        return "gpu" if tensor.device.type == "cuda" and serves("gpu", tensor) else "reference"
    backend = cast(Backend, choice)
    if not serves(backend, tensor):
        raise PotentialsError(
            f"kernels: {backend} serves {_SERVED[backend]}; got {tensor.dtype} on {tensor.device}; use auto"
        )
    return backend


def implementation(operator: str, tensor: Tensor) -> Callable[..., Any]:
    """The function that computes an operator for tensors like this one.

    On a GPU each Triton kernel is tried at its first use. Where it fails, `auto` falls back on the reference with a
    warning, and `gpu` is refused. In Triton's interpreter there is nothing to try.

    Raises:
        PotentialsError: the implementation that was asked for does not serve this device or dtype.
    """
    found = IMPLEMENTATIONS[operator]
    backend = chosen_backend(tensor)
    if backend == "cpu":
        return found.cpu
    if backend == "reference" or found.gpu is None:
        return found.reference
    if tensor.device.type != "cuda":
        return found.gpu.compute
    return tried(operator, found.gpu, found.reference, is_strict=chosen_kernels() == "gpu")


def describe_kernels(tensor: Tensor) -> str:
    """What serves tensors like this one, in words."""
    backend = chosen_backend(tensor)
    if backend == "reference":
        return "plain PyTorch (reference)"
    if backend == "gpu":
        return f"Triton{', interpreted' if is_interpreted() else ''}, and plain PyTorch for the rest"
    kept = cache_folder()
    where = (
        f"kept in {kept}" if kept else f"compiled anew in each process: no folder to keep them; set {CACHE_VARIABLE}"
    )
    return f"compiled for {processor()}, on {threading_layer()}, {where}"
