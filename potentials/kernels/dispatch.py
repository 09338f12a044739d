"""Selection of the implementation of the kernels."""

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
    """Return the implementation set by `use_kernels` or the environment variable POTENTIALS_KERNELS, or else `auto`.

    Raises:
        PotentialsError: the variable has another value.
    """
    choice = _choice[0] or os.environ.get(VARIABLE) or "auto"
    if choice not in _CHOICES:
        raise PotentialsError(f"environment variable {VARIABLE}: expected one of {', '.join(_CHOICES)}; got {choice!r}")
    return choice


@contextmanager
def use_kernels(kernels: Kernels) -> Iterator[None]:
    """Use an implementation within the context, in the whole process: backward passes run in other threads.

    `auto` uses the environment variable if it is set.
    """
    earlier = _choice[0]
    _choice[0] = None if kernels == "auto" else kernels
    try:
        yield
    finally:
        _choice[0] = earlier


def chosen_backend(tensor: Tensor) -> Backend:
    """Return the backend for tensors of this device and dtype.

    Raises:
        PotentialsError: the requested implementation does not support this device or dtype.
    """
    choice = chosen_kernels()
    if choice == "auto":
        if serves("cpu", tensor):
            return "cpu"
        return "gpu" if tensor.device.type == "cuda" and serves("gpu", tensor) else "reference"
    backend = cast(Backend, choice)
    if not serves(backend, tensor):
        raise PotentialsError(
            f"kernels: {backend} supports {_SERVED[backend]}; got {tensor.dtype} on {tensor.device}; use auto"
        )
    return backend


def implementation(operator: str, tensor: Tensor) -> Callable[..., Any]:
    """Return the function that computes an operator for tensors of this device and dtype.

    On a GPU each Triton kernel is tested at its first use. If the test fails, `auto` falls back on the reference with a
    warning, and `gpu` raises an error. Kernels are not tested in Triton's interpreter.

    Raises:
        PotentialsError: the requested implementation does not support this device or dtype.
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
    """Describe the implementation used for tensors of this device and dtype."""
    backend = chosen_backend(tensor)
    if backend == "reference":
        return "plain PyTorch (reference)"
    if backend == "gpu":
        return f"Triton{', interpreted' if is_interpreted() else ''}, and plain PyTorch for the rest"
    kept = cache_folder()
    where = f"cached in {kept}" if kept else f"compiled again in each process: no writable cache; set {CACHE_VARIABLE}"
    return f"compiled for {processor()}, on {threading_layer()}, {where}"
