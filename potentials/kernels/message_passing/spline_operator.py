"""Message passing with splines of the distance as radial weights, for inference.

The weights of a pair of edges are evaluated when needed and not stored: no tensor has an entry per edge, path and
channel. First derivatives (forces) are available, second derivatives are not.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, refuse_derivative, register_operator
from potentials.kernels.boundary import first_operand, operand, topology_operands
from potentials.kernels.dispatch import implementation
from potentials.kernels.message_passing import composed, cpu, reference
from potentials.kernels.message_passing.splines import RadialSplines
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.registry import register_implementations
from potentials.kernels.tables import lookup
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
    """Sum the messages h (x) Y, weighted by w(r), onto their receivers.

    Args:
        table: the couplings of the components.
        h: sender features [N, A, C].
        Y: spherical harmonics of the edges [E, B].
        distances: lengths of the pairs of edges [W, 1], A.
        splines: the weights w as functions of the distance, sorted by path, then channel.
        topology: the edges.

    Returns:
        The summed messages [N, D, C].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match; or a gradient is differentiated again
            (only `torch.func` supports this, by the reference).
    """
    return _call_sum(h, Y, distances, splines.coefficients, *topology, splines.start, splines.step, table.key)


class _Checked(NamedTuple):
    """Checked arguments."""

    table: MessageTable
    h: Tensor
    Y: Tensor
    distances: Tensor
    splines: RadialSplines
    topology: EdgeTopology


def _checked(operator: str, h: Tensor, Y: Tensor, distances: Tensor, coefficients: Tensor, *rest: Any) -> _Checked:
    *topology, start, step, key = rest
    table = cast(MessageTable, lookup(key))
    h = first_operand(operator, "h", h, 3)
    edges = topology_operands(operator, topology, h)
    h = operand(operator, "h", h, h, (edges.num_nodes, table.sender_components, h.shape[2]))
    Y = operand(operator, "Y", Y, h, (edges.num_edges, table.harmonic_components))
    distances = operand(operator, "distances", distances, h, (edges.num_pairs, 1))
    shape = (*coefficients.shape[:1], 6, len(table.paths) * h.shape[2])
    splines = RadialSplines(operand(operator, "coefficients", coefficients, h, shape), start, step)
    return _Checked(table, h, Y, distances, splines, edges)


def _sum(is_composed: bool, *arguments: Any) -> Tensor:
    given = _checked("spline_message_sum", *arguments)
    compute = composed.spline_message_sum if is_composed else implementation("spline_message_sum", given.h)
    return compute(*given)


def _gradients(
    is_composed: bool, h: Tensor, Y: Tensor, distances: Tensor, coefficients: Tensor, g: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    operator = "spline_message_gradients"
    *others, wanted = rest
    given = _checked(operator, h, Y, distances, coefficients, *others)
    nodes, _, channels = given.h.shape
    g = operand(operator, "g", g, given.h, (nodes, given.table.receiver_components, channels))
    compute = composed.spline_message_gradients if is_composed else implementation(operator, given.h)
    return compute(*given[:5], g, given.topology, wanted)


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


register_implementations("spline_message_sum", reference=reference.spline_message_sum, cpu=cpu.spline_message_sum)
register_implementations(
    "spline_message_gradients", reference=reference.spline_message_gradients, cpu=cpu.spline_message_gradients
)
_call_sum = register_operator(
    _library, "spline_message_sum", partial(_sum, False), partial(_sum, True), _fake_sum, _save, _sum_backward
)
_call_gradients = register_operator(
    _library,
    "spline_message_gradients",
    partial(_gradients, False),
    partial(_gradients, True),
    _fake_gradients,
    _save_nothing,
    refuse_derivative(
        "forces of a potential compiled for molecular dynamics cannot be differentiated; use the potential itself"
    ),
)
