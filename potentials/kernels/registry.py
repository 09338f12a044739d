"""Registry of the implementations of each operator and of the tensors they support.

Each operator registers the functions that compute it. `dispatch.py` selects one for a device and dtype, and `trials.py`
compares GPU implementations with the reference before they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from potentials.kernels.codegen.triton.programs import can_run_on

Backend: TypeAlias = Literal["reference", "cpu", "gpu"]
COMPILED_DTYPES = (torch.float32, torch.float64)
"""Dtypes that the compiled kernels support; the reference supports every floating-point dtype."""


class GpuFunction(NamedTuple):
    """A function that launches Triton's kernels.

    Attributes:
        compute: the function.
        small_problem: function that creates the arguments of a small call similar to a given one, to test `compute`.
    """

    compute: Callable[..., Any]
    small_problem: Callable[[Any, Tensor, tuple[Any, ...]], list[Any]]


class Implementations(NamedTuple):
    """The functions that compute one operator, all with the same arguments.

    Attributes:
        reference: plain PyTorch, for any device; the other implementations are compared with it. It need not be
            differentiable: operators register their own derivatives.
        cpu: code compiled for this CPU.
        gpu: code compiled by Triton; None if the reference is used on GPUs.
    """

    reference: Callable[..., Any]
    cpu: Callable[..., Any]
    gpu: GpuFunction | None = None


IMPLEMENTATIONS: dict[str, Implementations] = {}
"""Implementations by operator name."""


def register_implementations(
    operator: str, *, reference: Callable[..., Any], cpu: Callable[..., Any], gpu: GpuFunction | None = None
) -> None:
    """Register the functions that compute an operator; see `Implementations`.

    Raises:
        ValueError: the operator is already registered.
    """
    if operator in IMPLEMENTATIONS:
        raise ValueError(f"{operator} is already registered")
    IMPLEMENTATIONS[operator] = Implementations(reference, cpu, gpu)


def serves(backend: Backend, tensor: Tensor) -> bool:
    """Return whether a backend supports tensors of this device and dtype."""
    if backend == "reference":
        return True
    if tensor.dtype not in COMPILED_DTYPES:
        return False
    return tensor.is_cpu if backend == "cpu" else can_run_on(tensor.device)
