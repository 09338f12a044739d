"""Message passing whose radial weights are splines of the distance, for potentials that are used but not trained.

The weights of a pair of edges are evaluated where they are needed and never kept: no tensor has an entry per edge, path
and channel. Forces can be had, and cannot be differentiated again.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, register_operator
from potentials.kernels.dispatch import implementation
from potentials.kernels.tables import MessageTable, RadialSplines, lookup
from potentials.kernels.topology import EdgeTopology

_library = torch.library.Library("potentials", "FRAGMENT")
_TOPOLOGY = ", ".join(f"Tensor {name}" for name in EdgeTopology._fields)
_library.define(
    f"spline_message_sum(Tensor h, Tensor Y, Tensor distances, Tensor coefficients, {_TOPOLOGY}, float start, "
    "float step, str key) -> Tensor"
)
_library.define(
    f"spline_message_gradients(Tensor h, Tensor Y, Tensor distances, Tensor coefficients, Tensor g, {_TOPOLOGY}, "
    "float start, float step, str key, str wanted) -> (Tensor, Tensor, Tensor)"
)


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """Messages h (x) Y weighted by w(r), summed onto their receivers.

    Args:
        table: which components couple.
        h: sender features [N, A, C].
        Y: spherical harmonics of the edges [E, B].
        distances: of the pairs, A [W, 1].
        splines: the weights as functions of the distance; path by path, the channels of each.
        topology: the edges.

    Returns:
        [N, D, C].
    """
    return _call_sum(h, Y, distances, splines.coefficients, *topology, splines.start, splines.step, table.key)


def _sum(h: Tensor, Y: Tensor, distances: Tensor, coefficients: Tensor, *rest: Any) -> Tensor:
    *topology, start, step, key = rest
    splines, table = RadialSplines(coefficients, start, step), cast(MessageTable, lookup(key))
    return implementation(h).spline_message_sum(table, h, Y, distances, splines, EdgeTopology(*topology))


def _gradients(h: Tensor, Y: Tensor, distances: Tensor, coefficients: Tensor, g: Tensor, *rest: Any) -> Any:
    *topology, start, step, key, wanted = rest
    splines, table = RadialSplines(coefficients, start, step), cast(MessageTable, lookup(key))
    return implementation(h).spline_message_gradients(
        table, h, Y, distances, splines, g, EdgeTopology(*topology), wanted
    )


def _fake_sum(h: Tensor, Y: Tensor, distances: Tensor, coefficients: Tensor, *rest: Any) -> Tensor:
    *topology, _, _, key = rest
    components = cast(MessageTable, lookup(key)).receiver_components
    return h.new_empty(EdgeTopology(*topology).num_nodes, components, h.shape[2])


def _fake_gradients(h: Tensor, Y: Tensor, distances: Tensor, *rest: Any) -> Any:
    wanted = rest[-1]
    return tuple(
        x.new_empty(x.shape if name in wanted else 0) for name, x in zip("hYr", (h, Y, distances), strict=True)
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, ctx.start, ctx.step, ctx.key = inputs
    ctx.save_for_backward(*tensors)


def _sum_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    h, Y, distances, coefficients, *topology = ctx.saved_tensors
    wanted = "".join(name for position, name in enumerate("hYr") if is_wanted(ctx, position))
    found = _call_gradients(h, Y, distances, coefficients, g, *topology, ctx.start, ctx.step, ctx.key, wanted)
    gradients = (x if name in wanted else None for name, x in zip("hYr", found, strict=True))
    return *gradients, *((None,) * (len(topology) + 4))


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _no_derivative(ctx: Any, *gradients: Any) -> Any:
    raise NotImplementedError(
        "forces of a potential compiled for molecular dynamics cannot be differentiated; use the potential itself"
    )


_call_sum = register_operator(_library, "spline_message_sum", _sum, _fake_sum, _save, _sum_backward)
_call_gradients = register_operator(
    _library, "spline_message_gradients", _gradients, _fake_gradients, _save_nothing, _no_derivative
)
