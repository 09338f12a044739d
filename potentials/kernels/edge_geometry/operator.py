r"""Spherical harmonics of edges and lengths of pairs of edges, from the edge vectors.

.. math:: Y_1 = \sqrt3\, s\, \hat r, \qquad Y_l = \sum_{ab} R^l_{ab\cdot}\, Y_{l-1,a} Y_{1,b}

with a sign s for the direction of the edges. A table contains the coefficients R. There are three operators: the
values, the gradient of a loss with respect to the vectors (`edge_geometry_gradient`, for forces), and the derivative
along a direction of the vectors (`edge_geometry_tangent`, for training on forces). Higher derivatives, `torch.func` and
forward mode fall back on plain PyTorch.

Shapes: vectors [E, 3], Y [E, (degree + 1)^2], distances [W, 1].
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, register_operator
from potentials.kernels.boundary import first_operand, indices, operand
from potentials.kernels.dispatch import implementation
from potentials.kernels.edge_geometry import composed, cpu, reference
from potentials.kernels.edge_geometry.table import HarmonicsTable
from potentials.kernels.registry import register_implementations
from potentials.kernels.tables import lookup
from potentials.kernels.topology import EdgeTopology

_library = torch.library.Library("potentials", "FRAGMENT")
_REST = "Tensor edge_pair, Tensor pair_edges, str key, float sign"
_library.define(f"edge_geometry(Tensor vectors, {_REST}) -> (Tensor, Tensor)")
_library.define(f"edge_geometry_gradient(Tensor vectors, Tensor by_Y, Tensor by_distances, {_REST}) -> Tensor")
_library.define(f"edge_geometry_tangent(Tensor vectors, Tensor v, {_REST}) -> (Tensor, Tensor)")


def edge_geometry(
    table: HarmonicsTable, vectors: Tensor, topology: EdgeTopology, sign: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Compute spherical harmonics of edges and lengths of pairs of edges.

    Args:
        table: coefficients of the harmonics.
        vectors: edge vectors from sender to receiver [E, 3], A; none of them zero.
        topology: the edges.
        sign: 1 if directions point from sender to receiver, -1 for the opposite direction.

    Returns:
        Y [E, (degree + 1)^2], normalized as in `potentials.equivariant.spherical_harmonics`, and the length of the
        first edge of each pair [W, 1], A.

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_edge_geometry(vectors, topology.edge_pair, topology.pair_edges, table.key, sign)


def _table(key: str) -> HarmonicsTable:
    return cast(HarmonicsTable, lookup(key))


def _checked(operator: str, vectors: Tensor, edge_pair: Tensor, pair_edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Check dtypes, devices and shapes of vectors and pairs."""
    vectors = first_operand(operator, "vectors", vectors, 2)
    edges = vectors.shape[0]
    return (
        operand(operator, "vectors", vectors, vectors, (edges, 3)),
        indices(operator, "edge_pair", edge_pair, vectors, (edges,)),
        indices(operator, "pair_edges", pair_edges, vectors, (*pair_edges.shape[:1], 2)),
    )


def _values(is_composed: bool, vectors: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    *pairs, key, sign = rest
    vectors, edge_pair, pair_edges = _checked("edge_geometry", vectors, *pairs)
    compute = reference.edge_geometry if is_composed else implementation("edge_geometry", vectors)
    return compute(_table(key), vectors, edge_pair, pair_edges, sign)


def _gradient(is_composed: bool, vectors: Tensor, by_Y: Tensor, by_distances: Tensor, *rest: Any) -> Tensor:
    operator = "edge_geometry_gradient"
    *pairs, key, sign = rest
    vectors, edge_pair, pair_edges = _checked(operator, vectors, *pairs)
    by_Y = operand(operator, "by_Y", by_Y, vectors, (vectors.shape[0], _table(key).components))
    by_distances = operand(operator, "by_distances", by_distances, vectors, (pair_edges.shape[0], 1))
    compute = reference.edge_geometry_gradient if is_composed else implementation(operator, vectors)
    return compute(_table(key), vectors, by_Y, by_distances, edge_pair, pair_edges, sign)


def _tangent(is_composed: bool, vectors: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    operator = "edge_geometry_tangent"
    *pairs, key, sign = rest
    vectors, edge_pair, pair_edges = _checked(operator, vectors, *pairs)
    v = operand(operator, "v", v, vectors, vectors.shape)
    compute = reference.edge_geometry_tangent if is_composed else implementation(operator, vectors)
    return compute(_table(key), vectors, v, edge_pair, pair_edges, sign)


def _fake_values(vectors: Tensor, edge_pair: Tensor, pair_edges: Tensor, key: str, sign: float) -> Any:
    return vectors.new_empty(vectors.shape[0], _table(key).components), vectors.new_empty(pair_edges.shape[0], 1)


def _fake_gradient(vectors: Tensor, *rest: Any) -> Tensor:
    return vectors.new_empty(vectors.shape)


def _fake_tangent(vectors: Tensor, v: Tensor, *rest: Any) -> Any:
    return _fake_values(vectors, *rest)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.key, ctx.sign = inputs
    ctx.save_for_backward(*tensors)


def _values_backward(ctx: Any, by_Y: Tensor, by_distances: Tensor) -> tuple[Tensor | None, ...]:
    vectors, *pairs = ctx.saved_tensors
    gradient = _call_edge_geometry_gradient(vectors, by_Y, by_distances, *pairs, ctx.key, ctx.sign)
    return gradient, None, None, None, None


def _gradient_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    vectors, by_Y, by_distances, *pairs = ctx.saved_tensors
    tangents: Any = (None, None)
    if is_wanted(ctx, 1) or is_wanted(ctx, 2):
        tangents = _call_edge_geometry_tangent(vectors, v, *pairs, ctx.key, ctx.sign)
    by_vectors = None
    if is_wanted(ctx, 0):
        by_vectors = composed.edge_geometry_second(_table(ctx.key), vectors, v, by_Y, by_distances, pairs, ctx.sign)
    return by_vectors, *tangents, None, None, None, None


def _tangent_backward(ctx: Any, by_Y: Tensor, by_distances: Tensor) -> tuple[Tensor | None, ...]:
    vectors, v, *pairs = ctx.saved_tensors
    by_vectors = by_v = None
    if is_wanted(ctx, 0):
        by_vectors = composed.edge_geometry_second(_table(ctx.key), vectors, v, by_Y, by_distances, pairs, ctx.sign)
    if is_wanted(ctx, 1):
        by_v = _call_edge_geometry_gradient(vectors, by_Y, by_distances, *pairs, ctx.key, ctx.sign)
    return by_vectors, by_v, None, None, None, None


register_implementations("edge_geometry", reference=reference.edge_geometry, cpu=cpu.edge_geometry)
register_implementations(
    "edge_geometry_gradient", reference=reference.edge_geometry_gradient, cpu=cpu.edge_geometry_gradient
)
register_implementations(
    "edge_geometry_tangent", reference=reference.edge_geometry_tangent, cpu=cpu.edge_geometry_tangent
)
_call_edge_geometry = register_operator(
    _library, "edge_geometry", partial(_values, False), partial(_values, True), _fake_values, _save, _values_backward
)
_call_edge_geometry_gradient = register_operator(
    _library,
    "edge_geometry_gradient",
    partial(_gradient, False),
    partial(_gradient, True),
    _fake_gradient,
    _save,
    _gradient_backward,
)
_call_edge_geometry_tangent = register_operator(
    _library,
    "edge_geometry_tangent",
    partial(_tangent, False),
    partial(_tangent, True),
    _fake_tangent,
    _save,
    _tangent_backward,
)
