r"""Many-body product: sparse polynomials of the node features, with derivatives to second order.

.. math:: B_{nMc} = \sum_{t: M_t = M} k_{z_n t c} \prod_q A_{n, i_{tq}, c}

The sum runs over the monomials that symmetry allows (MACE's symmetric contraction, Batatia et al. 2022, eqs. 10-11,
with the path weights folded into one coefficient per monomial, species and channel).

Shapes: A [N, D, C], coefficients k [S, T, C], species and order [N] int64, B and g [N, M, C], v [N, D, C].

Three operators serve energy, forces and force training: the value, its gradients to A and k together, and the
derivatives of all of these along a direction v of A. Derivatives of higher order fall back on plain PyTorch.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from potentials.kernels import reference
from potentials.kernels.autograd import apart, is_wanted, register_operator
from potentials.kernels.dispatch import implementation
from potentials.kernels.tables import ManyBodyTable, lookup

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
        species: which row of the coefficients each atom uses [N].
        order: the atoms sorted by species [N].

    Returns:
        B [N, M, C].
    """
    return _call_many_body(A, coefficients, species, order, table.key)


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str = "Ak"
) -> tuple[Tensor, Tensor]:
    """d(g . B)/dA [N, D, C] and d(g . B)/dk [S, T, C]; what is not among `wanted` is empty."""
    return _call_many_body_gradients(A, coefficients, species, order, g, table.key, wanted)


def _table(key: str) -> ManyBodyTable:
    return cast(ManyBodyTable, lookup(key))


def _value(A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, key: str) -> Tensor:
    return implementation(A).many_body(_table(key), A, coefficients, species, order)


def _gradients(A: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    *tensors, key, wanted = rest
    return implementation(A).many_body_gradients(_table(key), A, *tensors, wanted)


def _tangents(A: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    *tensors, key, wanted = rest
    return implementation(A).many_body_tangents(_table(key), A, *tensors, wanted)


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
    """Third derivatives, by differentiating the reference."""
    A, coefficients, species, order, g, v = ctx.saved_tensors
    create_graph = torch.is_grad_enabled()
    positions = (0, 1, 4, 5)
    wanted = [position for position in positions if ctx.needs_input_grad[position]]
    with torch.enable_grad():
        arguments = {p: apart(x) for p, x in zip(positions, (A, coefficients, g, v), strict=True)}
        a, k, upstream, v = arguments.values()
        value = reference.many_body(_table(ctx.key), a, k, species, order)
        (slopes,) = torch.autograd.grad((upstream * value).sum(), a, create_graph=True)
        outputs = torch.autograd.grad((slopes * v).sum(), (a, k, upstream), create_graph=True, materialize_grads=True)
        pairs = [
            (output, gradient)
            for name, output, gradient in zip("Akg", outputs, gradients, strict=True)
            if name in ctx.produced and gradient is not None and output.requires_grad
        ]
        results: list[Tensor | None] = [None] * 8
        if pairs:
            found = torch.autograd.grad(
                [output for output, _ in pairs],
                [arguments[position] for position in wanted],
                [gradient for _, gradient in pairs],
                create_graph=create_graph,
                allow_unused=True,
            )
            for position, gradient in zip(wanted, found, strict=True):
                results[position] = gradient
    return tuple(results)


_call_many_body = register_operator(_library, "many_body", _value, _fake_value, _save_value, _value_backward)
_call_many_body_gradients = register_operator(
    _library, "many_body_gradients", _gradients, _fake_gradients, _save_gradients, _gradients_backward
)
_call_many_body_tangents = register_operator(
    _library, "many_body_tangents", _tangents, _fake_tangents, _save_tangents, _tangents_backward
)
