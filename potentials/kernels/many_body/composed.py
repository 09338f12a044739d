"""Derivatives of the many-body product, by differentiating its reference."""

from __future__ import annotations

import torch
from torch import Tensor

from potentials.kernels.autograd import vjp
from potentials.kernels.many_body import reference
from potentials.kernels.many_body.table import ManyBodyTable


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """Compute d(g . B)/dA and d(g . B)/d(coefficients); gradients that are not requested are empty."""
    _, back = vjp(lambda a, k: reference.many_body(table, a, k, species), A, coefficients)
    slopes, weights = back(g)
    nothing = A.new_empty(0)
    return slopes if "A" in wanted else nothing, weights if "k" in wanted else nothing.clone()


def many_body_tangents(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, v: Tensor, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute derivatives along v of d(g . B)/dA, d(g . B)/d(coefficients) and B: gradients of v . d(g . B)/dA."""

    def along(a: Tensor, k: Tensor, upstream: Tensor) -> Tensor:
        _, back = vjp(lambda given: reference.many_body(table, given, k, species), a)
        return (back(upstream)[0] * v).sum()

    value, back = vjp(along, A, coefficients, g)
    second, weights, first = back(torch.ones_like(value))
    return second, weights if "k" in wanted else A.new_empty(0), first
