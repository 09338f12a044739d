"""The implementations of each operator, and which tensors they serve.

Each operator enters the functions that compute it. `dispatch.py` chooses among them for a device and a dtype, and
`trials.py` compares those for GPUs with the reference before they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from potentials.kernels.codegen.triton.programs import can_run_on

Backend: TypeAlias = Literal["reference", "cpu", "gpu"]
COMPILED_DTYPES = (torch.float32, torch.float64)
"""What code is written for; the reference serves every floating dtype."""


class GpuFunction(NamedTuple):
    """A function that launches Triton's kernels.

    Attributes:
        compute: the function.
        small_problem: the arguments of a small call of the same kind as a given one, to try `compute`.
    """

    compute: Callable[..., Any]
    small_problem: Callable[[Any, Tensor, tuple[Any, ...]], list[Any]]


class Implementations(NamedTuple):
    """The functions that compute one operator. All of them take the same arguments.

    Attributes:
        reference: in plain PyTorch, for any device; everything else is measured against it. It need not be
            differentiable: operators register their own derivatives.
        cpu: code compiled for this processor.
        gpu: code compiled by Triton; None where the reference serves GPUs.
    """

    reference: Callable[..., Any]
    cpu: Callable[..., Any]
    gpu: GpuFunction | None = None


IMPLEMENTATIONS: dict[str, Implementations] = {}
"""By the operator's name."""


def register_implementations(
    operator: str, *, reference: Callable[..., Any], cpu: Callable[..., Any], gpu: GpuFunction | None = None
) -> None:
    """Enter the functions that compute an operator; see `Implementations`.

    Raises:
        ValueError: the operator has been entered before.
    """
    if operator in IMPLEMENTATIONS:
        raise ValueError(f"{operator} is registered already")
    IMPLEMENTATIONS[operator] = Implementations(reference, cpu, gpu)


def serves(backend: Backend, tensor: Tensor) -> bool:
    """Whether a backend computes with tensors of this device and dtype."""
    if backend == "reference":
        return True
    if tensor.dtype not in COMPILED_DTYPES:
        return False
    return tensor.is_cpu if backend == "cpu" else can_run_on(tensor.device)
