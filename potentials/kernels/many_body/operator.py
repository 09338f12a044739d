r"""Many-body product: sparse polynomials of the node features, with derivatives to second order.

.. math:: B_{nMc} = \sum_{t: M_t = M} k_{z_n t c} \prod_q A_{n, i_{tq}, c}

The sum runs over the monomials that symmetry allows (MACE's symmetric contraction, Batatia et al. 2022, eqs. 10-11,
with the path weights folded into one coefficient per monomial, species and channel).

Shapes: A [N, D, C], coefficients k [S, T, C], species and order [N] int64, B and g [N, M, C], v [N, D, C].

There are three operators, for energies, forces and training on forces: the value, its gradients with respect to A and
k, and the derivatives of all of these along a direction v of A. Higher derivatives, `torch.func` and forward mode fall
back on plain PyTorch.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, pulled_back, register_operator
from potentials.kernels.boundary import first_operand, indices, operand
from potentials.kernels.dispatch import implementation
from potentials.kernels.many_body import composed, cpu, reference, triton
from potentials.kernels.many_body.table import ManyBodyTable
from potentials.kernels.many_body.trial import small_problem
from potentials.kernels.registry import GpuFunction, register_implementations
from potentials.kernels.tables import lookup

_library = torch.library.Library("potentials", "FRAGMENT")
_library.define("many_body(Tensor A, Tensor coefficients, Tensor species, Tensor order, str key) -> Tensor")
_library.define(
    "many_body_gradients(Tensor A, Tensor coefficients, Tensor species, Tensor order, Tensor g, str key, str wanted)"
    " -> (Tensor, Tensor)"
)
_library.define(
    "many_body_tangents(Tensor A, Tensor coefficients, Tensor species, Tensor order, Tensor g, Tensor v, str key, "
    "str wanted) -> (Tensor, Tensor, Tensor)"
)


def many_body(table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor) -> Tensor:
    """Evaluate the polynomials.

    Args:
        table: the monomials of each output.
        A: node features [N, D, C].
        coefficients: one per species, monomial and channel [S, T, C].
        species: species index of each atom [N] int64.
        order: indices of the atoms sorted by species [N] int64.

    Returns:
        B [N, M, C].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_many_body(A, coefficients, species, order, table.key)


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str = "Ak"
) -> tuple[Tensor, Tensor]:
    """Compute d(g . B)/dA [N, D, C] and d(g . B)/dk [S, T, C]; gradients not in `wanted` are empty.

    Args:
        table: the monomials of each output.
        A: node features [N, D, C].
        coefficients: one per species, monomial and channel [S, T, C].
        species: species index of each atom [N] int64.
        order: indices of the atoms sorted by species [N] int64.
        g: gradient with respect to B [N, M, C].
        wanted: the requested gradients.

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_many_body_gradients(A, coefficients, species, order, g, table.key, wanted)


def _table(key: str) -> ManyBodyTable:
    return cast(ManyBodyTable, lookup(key))


class _Checked(NamedTuple):
    """Checked arguments."""

    table: ManyBodyTable
    A: Tensor
    coefficients: Tensor
    species: Tensor
    order: Tensor


def _checked(operator: str, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, key: str) -> _Checked:
    table = _table(key)
    A = first_operand(operator, "A", A, 3)
    atoms, _, channels = A.shape
    A = operand(operator, "A", A, A, (atoms, table.components, channels))
    shape = (*coefficients.shape[:1], table.num_terms, channels)
    coefficients = operand(operator, "coefficients", coefficients, A, shape)
    species = indices(operator, "species", species, A, (atoms,))
    return _Checked(table, A, coefficients, species, indices(operator, "order", order, A, (atoms,)))


def _upstream(operator: str, given: _Checked, g: Tensor) -> Tensor:
    atoms, _, channels = given.A.shape
    return operand(operator, "g", g, given.A, (atoms, given.table.outputs, channels))


def _value(is_composed: bool, *arguments: Any) -> Tensor:
    given = _checked("many_body", *arguments)
    return (reference.many_body if is_composed else implementation("many_body", given.A))(*given)


def _gradients(is_composed: bool, *arguments: Any) -> tuple[Tensor, Tensor]:
    A, coefficients, species, order, g, key, wanted = arguments
    given = _checked("many_body_gradients", A, coefficients, species, order, key)
    g = _upstream("many_body_gradients", given, g)
    if is_composed:
        return composed.many_body_gradients(*given[:4], g, wanted)
    return implementation("many_body_gradients", given.A)(*given, g, wanted)


def _tangents(is_composed: bool, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    A, coefficients, species, order, g, v, key, wanted = arguments
    given = _checked("many_body_tangents", A, coefficients, species, order, key)
    g = _upstream("many_body_tangents", given, g)
    v = operand("many_body_tangents", "v", v, given.A, given.A.shape)
    if is_composed:
        return composed.many_body_tangents(*given[:4], g, v, wanted)
    return implementation("many_body_tangents", given.A)(*given, g, v, wanted)


def _new(like: Tensor, wanted: bool) -> Tensor:
    return like.new_empty(like.shape) if wanted else like.new_empty(0)


def _fake_value(A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, key: str) -> Tensor:
    return A.new_empty(A.shape[0], _table(key).outputs, A.shape[2])


def _fake_gradients(A: Tensor, coefficients: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return _new(A, "A" in rest[-1]), _new(coefficients, "k" in rest[-1])


def _fake_tangents(A: Tensor, coefficients: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    wanted, g = rest[-1], rest[2]
    per_atom = "A" in wanted or "g" in wanted
    return _new(A, per_atom), _new(coefficients, "k" in wanted), _new(g, per_atom)


def _save_value(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.key = inputs
    ctx.save_for_backward(*tensors)


def _value_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    A, coefficients, species, order = ctx.saved_tensors
    wanted = "".join(name for position, name in enumerate("Ak") if is_wanted(ctx, position))
    if not wanted:
        return None, None, None, None, None
    slopes, weights = many_body_gradients(_table(ctx.key), A, coefficients, species, order, g, wanted)
    return slopes if "A" in wanted else None, weights if "k" in wanted else None, None, None, None


def _save_gradients(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    *tensors, ctx.key, ctx.produced = inputs
    ctx.save_for_backward(*tensors)


def _gradients_backward(ctx: Any, v: Tensor | None, dk: Tensor | None) -> tuple[Tensor | None, ...]:
    A, coefficients, species, order, g = ctx.saved_tensors
    table = _table(ctx.key)
    wanted = "".join(name for position, name in ((0, "A"), (1, "k"), (4, "g")) if is_wanted(ctx, position))
    results: dict[str, Tensor] = {}
    if v is not None and "A" in ctx.produced and wanted:
        found = _call_many_body_tangents(A, coefficients, species, order, g, v, ctx.key, wanted)
        results = {name: x for name, x in zip("Akg", found, strict=True) if name in wanted}
    if dk is not None and "k" in ctx.produced:
        # d(g . B)/dk along dk is g . B with the coefficients dk.
        if "A" in wanted:
            slopes, _ = many_body_gradients(table, A, dk, species, order, g, "A")
            results["A"] = results["A"] + slopes if "A" in results else slopes
        if "g" in wanted:
            value = many_body(table, A, dk, species, order)
            results["g"] = results["g"] + value if "g" in results else value
    return results.get("A"), results.get("k"), None, None, results.get("g"), None, None


def _save_tangents(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    *tensors, ctx.key, ctx.produced = inputs
    ctx.save_for_backward(*tensors)


def _tangents_backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
    """Compute third derivatives by differentiating the reference."""
    A, coefficients, species, _, g, v = ctx.saved_tensors
    wanted = [position for position in (0, 1, 2, 3) if ctx.needs_input_grad[(0, 1, 4, 5)[position]]]

    def tangents(A: Tensor, coefficients: Tensor, g: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return composed.many_body_tangents(_table(ctx.key), A, coefficients, species, g, v, "Akg")

    produced = [
        gradient if name in ctx.produced or (name != "k" and set("Ag") & set(ctx.produced)) else None
        for name, gradient in zip("Akg", gradients, strict=True)
    ]
    by_A, by_k, by_g, by_v = pulled_back(tangents, (A, coefficients, g, v), wanted, produced)
    return by_A, by_k, None, None, by_g, by_v, None, None


register_implementations(
    "many_body",
    reference=reference.many_body,
    cpu=cpu.many_body,
    gpu=GpuFunction(triton.many_body, small_problem),
)
register_implementations(
    "many_body_gradients",
    reference=reference.many_body_gradients,
    cpu=cpu.many_body_gradients,
    gpu=GpuFunction(triton.many_body_gradients, small_problem),
)
register_implementations(
    "many_body_tangents",
    reference=reference.many_body_tangents,
    cpu=cpu.many_body_tangents,
    gpu=GpuFunction(triton.many_body_tangents, small_problem),
)
_call_many_body = register_operator(
    _library, "many_body", partial(_value, False), partial(_value, True), _fake_value, _save_value, _value_backward
)
_call_many_body_gradients = register_operator(
    _library,
    "many_body_gradients",
    partial(_gradients, False),
    partial(_gradients, True),
    _fake_gradients,
    _save_gradients,
    _gradients_backward,
)
_call_many_body_tangents = register_operator(
    _library,
    "many_body_tangents",
    partial(_tangents, False),
    partial(_tangents, True),
    _fake_tangents,
    _save_tangents,
    _tangents_backward,
)
