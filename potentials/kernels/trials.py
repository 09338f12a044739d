"""Runtime tests of GPU kernels: comparison with plain PyTorch on a small problem.

Without a GPU the test suite can only run Triton's interpreter, and compiled code may differ between devices. Therefore
each kernel is tested at its first use in a process, for each table, number of channels, precision and device type.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import subprocess
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.registry import GpuFunction

logger = logging.getLogger("potentials.kernels")

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
"""Largest difference from the reference, relative to the largest number of a result or to 1."""

_FINDINGS: dict[tuple[object, ...], str | None] = {}
"""Failure of each tested kernel; None if it passed."""
_WARNED: set[tuple[str, str]] = set()


def tried(operator: str, gpu: GpuFunction, reference: Callable[..., Any], is_strict: bool) -> Callable[..., Any]:
    """Return the Triton implementation of an operator, tested at its first use.

    Args:
        operator: name of the operator.
        gpu: the Triton implementation.
        reference: the implementation in plain PyTorch.
        is_strict: raise an error if the kernel fails; otherwise warn once and use the reference.
    """
    return partial(_run, operator, gpu, reference, is_strict)


def _run(
    operator: str,
    gpu: GpuFunction,
    reference: Callable[..., Any],
    is_strict: bool,
    table: Any,
    first: Tensor,
    *rest: Any,
) -> Any:
    """Run the kernel if it passed its test, or else the reference.

    Raises:
        OperatorError: the kernel failed and `is_strict` is set.
    """
    device = _device_name(first.device)
    shape = tuple(entry if isinstance(entry, str) else entry is None for entry in rest)
    key = (operator, table.key, first.shape[2], first.dtype, device, shape)
    if key not in _FINDINGS:
        _FINDINGS[key] = _finding(gpu, reference, table, first, rest)
    finding = _FINDINGS[key]
    if finding is None:
        return gpu.compute(table, first, *rest)
    if is_strict:
        raise OperatorError(f"{operator} by Triton on {device}: {finding}; choose train.kernels: auto or reference")
    if (operator, device) not in _WARNED:
        _WARNED.add((operator, device))
        logger.warning(
            "%s by Triton on %s: %s; using plain PyTorch instead, which is slower. train.kernels: reference (or "
            "POTENTIALS_KERNELS=reference) uses plain PyTorch from the start",
            *(operator, device, finding),
        )
    return reference(table, first, *rest)


@cache
def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@cache
def _failures() -> tuple[type[BaseException], ...]:
    """Return the exceptions that a compiler, a driver or a faulty kernel may raise."""
    kinds: list[type[BaseException]] = [
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
    ]
    kinds += [ImportError, OSError, subprocess.SubprocessError]
    if importlib.util.find_spec("triton") is not None:
        kinds.append(importlib.import_module("triton.errors").TritonError)
    return tuple(kinds)


def _finding(
    gpu: GpuFunction, reference: Callable[..., Any], table: Any, first: Tensor, rest: tuple[Any, ...]
) -> str | None:
    """Test a kernel for calls similar to this one; return a description of the failure, or None if it passed."""
    arguments = gpu.small_problem(table, first, rest)
    exact = reference(table, *_converted(arguments, torch.float64))
    try:
        found = gpu.compute(table, *_converted(arguments, first.dtype))
        return _difference(found, exact, TOLERANCE[first.dtype])
    except torch.OutOfMemoryError:
        raise
    except _failures() as problem:
        return f"it fails on a small problem ({type(problem).__name__}: {str(problem).strip()[:200]})"


def _difference(found: Tensor | tuple[Tensor, ...], exact: Tensor | tuple[Tensor, ...], tolerance: float) -> str | None:
    for one, other in zip(_listed(found), _listed(exact), strict=True):
        if not (one.numel() and other.numel()):
            continue
        error = float((one.double() - other).abs().max() / other.abs().max().clamp(min=1))
        # Written so that NaN counts as a failure.
        if not error <= tolerance:
            allowed = f"tolerance {tolerance:g}"
            return f"its relative difference from plain PyTorch on a small problem is {error:.1g} ({allowed})"
    return None


def _listed(results: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return [results] if isinstance(results, Tensor) else list(results)


def _converted(arguments: list[Any], dtype: torch.dtype) -> list[Any]:
    return [x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in arguments]


def random_numbers(device: torch.device) -> Callable[..., Tensor]:
    """Return a generator function of random float64 tensors, the same on every device."""
    generator = torch.Generator("cpu").manual_seed(0)

    def random(*shape: int) -> Tensor:
        numbers = torch.randint(-256, 257, shape, generator=generator, device="cpu")
        # Multiples of a power of two are exact in float32 too, so that both precisions are tested on equal problems.
        return numbers.to(device, torch.float64) / 128

    return random
