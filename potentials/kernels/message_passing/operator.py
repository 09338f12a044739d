r"""Message passing: contractions of one multilinear form, closed under differentiation.

.. math:: Q(h, Y, w, g) = \sum_e \sum_t C_t\, h_{s_e a_t c}\, Y_{e b_t}\, w_{q_e p_t c}\, g_{r_e d_t c}

Q is linear in each argument. The summed message is dQ/dg; its gradients are dQ/dh, dQ/dY and dQ/dw; and the gradients
of those are derivatives of the same four along a direction (dh, dY, dw). Three operators are therefore sufficient for
energies, forces and training on forces: the sum, its gradients, and their derivatives along a direction. Higher
derivatives are compositions of the first two. `torch.func` and forward mode differentiate `composed.message_sum`.

Shapes: h [N, A, C], Y [E, B], w [W, P, C], g [N, D, C]. Radial weights are one per pair of edges q_e, because both
directions of a pair have the same length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from potentials.kernels.autograd import apart, is_wanted, register_operator
from potentials.kernels.boundary import first_operand, operand, optional_operand, topology_operands
from potentials.kernels.dispatch import implementation
from potentials.kernels.message_passing import composed, cpu, reference, triton
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.message_passing.trial import small_problem
from potentials.kernels.registry import GpuFunction, register_implementations
from potentials.kernels.tables import lookup
from potentials.kernels.topology import EdgeTopology

# The topology is passed as separate tensors, because operators take no named tuples.
_TOPOLOGY = ", ".join(f"Tensor {name}" for name in EdgeTopology._fields)
_SIZE = len(EdgeTopology._fields)
_ARGUMENTS = "hYwg"

_library = torch.library.Library("potentials", "FRAGMENT")
_library.define(f"message_sum(Tensor h, Tensor Y, Tensor w, {_TOPOLOGY}, str key) -> Tensor")
_library.define(
    f"message_gradients(Tensor h, Tensor Y, Tensor w, Tensor g, {_TOPOLOGY}, str key, str wanted)"
    " -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "message_tangents(Tensor h, Tensor Y, Tensor w, Tensor g, Tensor? dh, Tensor? dY, Tensor? dw, "
    f"{_TOPOLOGY}, str key, str wanted) -> (Tensor, Tensor, Tensor, Tensor)"
)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """Sum the messages h (x) Y, weighted by w, onto their receivers.

    Args:
        table: the couplings of the components.
        h: sender features [N, A, C].
        Y: spherical harmonics of the edges [E, B].
        w: radial weights, one per pair of edges, path and channel [W, P, C].
        topology: the edges.

    Returns:
        dQ/dg [N, D, C].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_message_sum(h, Y, w, *topology, table.key)


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str = "hYw"
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute dQ/dh [N, A, C], dQ/dY [E, B] and dQ/dw [W, P, C]; gradients not in `wanted` are empty.

    Args:
        table: the couplings of the components.
        h: sender features [N, A, C].
        Y: spherical harmonics of the edges [E, B].
        w: radial weights, one per pair of edges, path and channel [W, P, C].
        g: gradient with respect to the summed messages [N, D, C].
        topology: the edges.
        wanted: the requested gradients.

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_message_gradients(h, Y, w, g, *topology, table.key, wanted)


def _table(key: str) -> MessageTable:
    return cast(MessageTable, lookup(key))


class _Checked(NamedTuple):
    """Checked arguments."""

    table: MessageTable
    h: Tensor
    Y: Tensor
    w: Tensor
    topology: EdgeTopology


def _checked(operator: str, h: Tensor, Y: Tensor, w: Tensor, topology: Sequence[Tensor], key: str) -> _Checked:
    table = _table(key)
    h = first_operand(operator, "h", h, 3)
    edges = topology_operands(operator, topology, h)
    channels = h.shape[2]
    h = operand(operator, "h", h, h, (edges.num_nodes, table.sender_components, channels))
    Y = operand(operator, "Y", Y, h, (edges.num_edges, table.harmonic_components))
    w = operand(operator, "w", w, h, (edges.num_pairs, len(table.paths), channels))
    return _Checked(table, h, Y, w, edges)


def _receiver_operand(operator: str, given: _Checked, g: Tensor) -> Tensor:
    shape = (given.topology.num_nodes, given.table.receiver_components, given.h.shape[2])
    return operand(operator, "g", g, given.h, shape)


def _sum_with(compute: Callable[..., Tensor] | None, h: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    given = _checked("message_sum", h, Y, w, topology, key)
    return (compute or implementation("message_sum", given.h))(*given)


def _gradients_with(compute: Callable[..., Any] | None, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, *rest: Any) -> Any:
    *topology, key, wanted = rest
    given = _checked("message_gradients", h, Y, w, topology, key)
    g = _receiver_operand("message_gradients", given, g)
    compute = compute or implementation("message_gradients", given.h)
    return compute(given.table, given.h, given.Y, given.w, g, given.topology, wanted)


def _tangents_with(compute: Callable[..., Any] | None, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    operator = "message_tangents"
    h, Y, w, g, dh, dY, dw, *topology, key, wanted = arguments
    given = _checked(operator, h, Y, w, topology, key)
    g = _receiver_operand(operator, given, g)
    directions = [
        optional_operand(operator, f"d{name}", direction, value, value.shape)
        for name, direction, value in zip("hYw", (dh, dY, dw), (given.h, given.Y, given.w), strict=True)
    ]
    compute = compute or implementation("message_tangents", given.h)
    return compute(given.table, given.h, given.Y, given.w, g, *directions, given.topology, wanted)


def _new(like: Tensor, wanted: bool, *shape: Any) -> Tensor:
    return like.new_empty(*shape) if wanted else like.new_empty(0)


def _fake_sum(h: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    return h.new_empty(EdgeTopology(*topology).num_nodes, _table(key).receiver_components, h.shape[2])


def _fake_gradients(h: Tensor, Y: Tensor, w: Tensor, g: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    wanted = rest[-1]
    return tuple(_new(x, name in wanted, x.shape) for name, x in zip("hYw", (h, Y, w), strict=True))  # type: ignore[return-value]


def _fake_tangents(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wanted = arguments[-1]
    return tuple(_new(x, name in wanted, x.shape) for name, x in zip(_ARGUMENTS, arguments[:4], strict=True))  # type: ignore[return-value]


def _save_sum(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:-1])
    ctx.key = inputs[-1]


def _sum_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    h, Y, w, *topology = ctx.saved_tensors
    wanted = "".join(name for position, name in enumerate("hYw") if is_wanted(ctx, position))
    nothing = (None,) * (_SIZE + 1)
    if not wanted:
        return (None, None, None, *nothing)
    gradients = message_gradients(_table(ctx.key), h, Y, w, g, EdgeTopology(*topology), wanted)
    return (*(x if name in wanted else None for name, x in zip("hYw", gradients, strict=True)), *nothing)


def _save_gradients(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs[:-2])
    ctx.key, ctx.produced = inputs[-2:]


def _gradients_backward(ctx: Any, *directions: Tensor | None) -> tuple[Tensor | None, ...]:
    h, Y, w, g, *topology = ctx.saved_tensors
    nothing = (None,) * (_SIZE + 2)
    along = [d if name in ctx.produced else None for name, d in zip("hYw", directions, strict=True)]
    wanted = "".join(name for position, name in enumerate(_ARGUMENTS) if is_wanted(ctx, position))
    if not wanted or all(direction is None for direction in along):
        return (None, None, None, None, *nothing)
    tangents = _call_message_tangents(h, Y, w, g, *along, *topology, ctx.key, wanted)
    return (*(x if name in wanted else None for name, x in zip(_ARGUMENTS, tangents, strict=True)), *nothing)


def _save_tangents(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    *tensors, ctx.key, ctx.produced = inputs
    ctx.absent = [position for position, tensor in enumerate(tensors) if tensor is None]
    ctx.save_for_backward(*(tensor for tensor in tensors if tensor is not None))


def _tangents_backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
    """Differentiate the tangents, expressed by the other two operators, with autograd."""
    tensors: list[Tensor | None] = list(ctx.saved_tensors)
    for position in ctx.absent:
        tensors.insert(position, None)
    arguments, topology = tensors[:7], EdgeTopology(*cast(list[Tensor], tensors[7:]))
    wanted = [p for p in range(7) if arguments[p] is not None and ctx.needs_input_grad[p]]
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # One argument may depend on another, for example keys and queries on the same features.
        arguments = [apart(x) if x is not None and position in wanted else x for position, x in enumerate(arguments)]
        outputs = _composed_tangents(_table(ctx.key), arguments, topology, ctx.produced)
        pairs = [(outputs[name], g) for name, g in zip(_ARGUMENTS, gradients, strict=True) if name in outputs]
        pairs = [(output, g) for output, g in pairs if g is not None and output.requires_grad]
        results: list[Tensor | None] = [None] * 7
        if pairs:
            found = torch.autograd.grad(
                [output for output, _ in pairs],
                [cast(Tensor, arguments[p]) for p in wanted],
                [g for _, g in pairs],
                create_graph=create_graph,
                allow_unused=True,
            )
            for position, gradient in zip(wanted, found, strict=True):
                results[position] = gradient
    return (*results, *((None,) * (_SIZE + 2)))


def _composed_tangents(
    table: MessageTable, arguments: list[Tensor | None], topology: EdgeTopology, wanted: str
) -> dict[str, Tensor]:
    """Differentiate the sum of Q with one argument replaced by its direction, over all directions."""
    h, Y, w, g = (cast(Tensor, argument) for argument in arguments[:4])
    totals: dict[str, Tensor] = {}
    for position, direction in enumerate(arguments[4:7]):
        if direction is None:
            continue
        a, b, c = (direction if position == other else value for other, value in enumerate((h, Y, w)))
        parts = dict(zip("hYw", message_gradients(table, a, b, c, g, topology), strict=True))
        parts["g"] = message_sum(table, a, b, c, topology)
        del parts["hYw"[position]]
        for name, part in parts.items():
            if name in wanted:
                totals[name] = totals[name] + part if name in totals else part
    return totals


def _tangents_from_gradients(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    w: Tensor,
    g: Tensor,
    dh: Tensor | None,
    dY: Tensor | None,
    dw: Tensor | None,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the requested tangents by their definition; others are empty."""
    found = _composed_tangents(table, [h, Y, w, g, dh, dY, dw], topology, wanted)
    given = zip(_ARGUMENTS, (h, Y, w, g), strict=True)
    return tuple(found[n] if n in found else x.new_zeros(x.shape if n in wanted else 0) for n, x in given)  # type: ignore[return-value]


register_implementations(
    "message_sum",
    reference=reference.message_sum,
    cpu=cpu.message_sum,
    gpu=GpuFunction(triton.message_sum, small_problem),
)
register_implementations(
    "message_gradients",
    reference=reference.message_gradients,
    cpu=cpu.message_gradients,
    gpu=GpuFunction(triton.message_gradients, small_problem),
)
register_implementations(
    "message_tangents",
    reference=reference.message_tangents,
    cpu=cpu.message_tangents,
    gpu=GpuFunction(triton.message_tangents, small_problem),
)
_call_message_sum = register_operator(
    _library,
    "message_sum",
    partial(_sum_with, None),
    partial(_sum_with, composed.message_sum),
    _fake_sum,
    _save_sum,
    _sum_backward,
)
_call_message_gradients = register_operator(
    _library,
    "message_gradients",
    partial(_gradients_with, None),
    partial(_gradients_with, composed.message_gradients),
    _fake_gradients,
    _save_gradients,
    _gradients_backward,
)
_call_message_tangents = register_operator(
    _library,
    "message_tangents",
    partial(_tangents_with, None),
    partial(_tangents_with, _tangents_from_gradients),
    _fake_tangents,
    _save_tangents,
    _tangents_backward,
)
