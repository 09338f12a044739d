r"""Many-body product: sparse polynomials of the node features, with derivatives to second order.

.. math:: B_{nMc} = \sum_{t: M_t = M} k_{z_n t c} \prod_q A_{n, i_{tq}, c}

The sum runs over the monomials that symmetry allows (MACE's symmetric contraction, Batatia et al. 2022, eqs. 10-11,
with the path weights folded into one coefficient per monomial, species and channel).

Shapes: A [N, D, C], coefficients [S, T, C], species [N] int64, B and g [N, M, C], v [N, D, C].

Six contractions close the family for force training: the value, its gradient, the gradient's derivative along v (the
Hessian applied to v), the value's derivative along v, and the coefficient gradients of the value and of its derivative.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from potentials.kernels import reference
from potentials.kernels.tables import ManyBodyTable, lookup


def many_body(table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor) -> Tensor:
    """Evaluate the polynomials; differentiable twice with respect to A, and each derivative once to the coefficients.

    Args:
        table: the monomials of each output.
        A: node features [N, D, C].
        coefficients: one per species, monomial and channel [S, T, C].
        species: which row of the coefficients each atom uses [N].

    Returns:
        B [N, M, C].
    """
    return torch.ops.potentials.many_body(A, coefficients, species, table.key)


def _table(key: str) -> ManyBodyTable:
    return cast(ManyBodyTable, lookup(key))


@torch.library.custom_op("potentials::many_body", mutates_args=())
def _value(A: Tensor, coefficients: Tensor, species: Tensor, key: str) -> Tensor:
    return reference.many_body(_table(key), A, coefficients, species)


@torch.library.custom_op("potentials::many_body_gradient", mutates_args=())
def _gradient(A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, key: str) -> Tensor:
    return reference.many_body_gradient(_table(key), A, coefficients, species, g)


@torch.library.custom_op("potentials::many_body_coefficient_gradient", mutates_args=())
def _coefficient_gradient(A: Tensor, species: Tensor, g: Tensor, num_species: int, key: str) -> Tensor:
    return reference.many_body_coefficient_gradient(_table(key), A, species, g, num_species)


@torch.library.custom_op("potentials::many_body_directional", mutates_args=())
def _directional(A: Tensor, coefficients: Tensor, species: Tensor, v: Tensor, key: str) -> Tensor:
    return reference.many_body_directional(_table(key), A, coefficients, species, v)


@torch.library.custom_op("potentials::many_body_second", mutates_args=())
def _second(A: Tensor, coefficients: Tensor, species: Tensor, g: Tensor, v: Tensor, key: str) -> Tensor:
    return reference.many_body_second(_table(key), A, coefficients, species, g, v)


@torch.library.custom_op("potentials::many_body_directional_coefficient_gradient", mutates_args=())
def _directional_coefficient_gradient(
    A: Tensor, species: Tensor, g: Tensor, v: Tensor, num_species: int, key: str
) -> Tensor:
    return reference.many_body_directional_coefficient_gradient(_table(key), A, species, g, v, num_species)


@_value.register_fake
@_directional.register_fake
def _(A: Tensor, coefficients: Tensor, species: Tensor, *rest: Any) -> Tensor:
    return A.new_empty(A.shape[0], _table(rest[-1]).outputs, A.shape[2])


@_gradient.register_fake
@_second.register_fake
def _(A: Tensor, coefficients: Tensor, species: Tensor, *rest: Any) -> Tensor:
    return torch.empty_like(A)


@_coefficient_gradient.register_fake
@_directional_coefficient_gradient.register_fake
def _(A: Tensor, species: Tensor, g: Tensor, *rest: Any) -> Tensor:
    num_species, key = rest[-2:]
    return A.new_empty(num_species, _table(key).num_terms, A.shape[2])


def _save_value(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    A, coefficients, species, ctx.key = inputs
    ctx.save_for_backward(A, coefficients, species)


def _value_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    A, coefficients, species = ctx.saved_tensors
    wants_A, wants_coefficients = ctx.needs_input_grad[:2]
    return (
        _gradient(A, coefficients, species, g, ctx.key) if wants_A else None,
        _coefficient_gradient(A, species, g, coefficients.shape[0], ctx.key) if wants_coefficients else None,
        None,
        None,
    )


def _save_gradient(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    A, coefficients, species, g, ctx.key = inputs
    ctx.save_for_backward(A, coefficients, species, g)


def _gradient_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    A, coefficients, species, g = ctx.saved_tensors
    wants_A, wants_coefficients, _, wants_g, _ = ctx.needs_input_grad
    num_species = coefficients.shape[0]
    return (
        _second(A, coefficients, species, g, v, ctx.key) if wants_A else None,
        _directional_coefficient_gradient(A, species, g, v, num_species, ctx.key) if wants_coefficients else None,
        None,
        _directional(A, coefficients, species, v, ctx.key) if wants_g else None,
        None,
    )


def _save_coefficient_gradient(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    A, species, g, _, ctx.key = inputs
    ctx.save_for_backward(A, species, g)


def _coefficient_gradient_backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
    A, species, g = ctx.saved_tensors
    wants_A, _, wants_g, _, _ = ctx.needs_input_grad
    return (
        _gradient(A, k, species, g, ctx.key) if wants_A else None,
        None,
        _value(A, k, species, ctx.key) if wants_g else None,
        None,
        None,
    )


torch.library.register_autograd("potentials::many_body", _value_backward, setup_context=_save_value)
torch.library.register_autograd("potentials::many_body_gradient", _gradient_backward, setup_context=_save_gradient)
torch.library.register_autograd(
    "potentials::many_body_coefficient_gradient",
    _coefficient_gradient_backward,
    setup_context=_save_coefficient_gradient,
)
