r"""Message passing: four contractions of one multilinear form, each the derivative of the others.

.. math:: Q(h, Y, w, g) = \sum_e \sum_t C_t\, h_{s_e a_t c}\, Y_{e b_t}\, w_{e p_t c}\, g_{r_e d_t c}

Q is linear in each argument. The summed message is dQ/dg; dQ/dh, dQ/dY and dQ/dw are its gradients. Differentiating any
of the four with respect to an argument gives one of the four again, so these operators close under derivatives of any
order: energy, forces and force training need nothing else.

Shapes: h [N, A, C], Y [E, B], w [E, P, C], g [N, D, C].
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from potentials.kernels import reference
from potentials.kernels.tables import MessageTable, lookup
from potentials.kernels.topology import EdgeTopology

# The topology travels as its five tensors: operators take no tuples of named fields.
_TOPOLOGY = "Tensor senders, Tensor receivers, Tensor receiver_pointer, Tensor sender_order, Tensor sender_pointer"


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """Messages h (x) Y weighted by w, summed onto their receivers.

    Args:
        table: which components couple.
        h: sender features [N, A, C].
        Y: spherical harmonics of the edges [E, B].
        w: radial weights, one per edge, path and channel [E, P, C].
        topology: the edges.

    Returns:
        dQ/dg, [N, D, C].
    """
    return torch.ops.potentials.message_sum(h, Y, w, *topology, table.key)


def _table(key: str) -> MessageTable:
    return cast(MessageTable, lookup(key))


@torch.library.custom_op(
    "potentials::message_sum", mutates_args=(), schema=f"(Tensor h, Tensor Y, Tensor w, {_TOPOLOGY}, str key) -> Tensor"
)
def _message_sum(h: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    return reference.message_sum(_table(key), h, Y, w, EdgeTopology(*topology))


@torch.library.custom_op(
    "potentials::message_grad_h",
    mutates_args=(),
    schema=f"(Tensor Y, Tensor w, Tensor g, {_TOPOLOGY}, str key) -> Tensor",
)
def _message_grad_h(Y: Tensor, w: Tensor, g: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    return reference.message_grad_h(_table(key), Y, w, g, EdgeTopology(*topology))


@torch.library.custom_op(
    "potentials::message_grad_Y",
    mutates_args=(),
    schema=f"(Tensor h, Tensor w, Tensor g, {_TOPOLOGY}, str key) -> Tensor",
)
def _message_grad_y(h: Tensor, w: Tensor, g: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    return reference.message_grad_Y(_table(key), h, w, g, EdgeTopology(*topology))


@torch.library.custom_op(
    "potentials::message_grad_w",
    mutates_args=(),
    schema=f"(Tensor h, Tensor Y, Tensor g, {_TOPOLOGY}, str key) -> Tensor",
)
def _message_grad_w(h: Tensor, Y: Tensor, g: Tensor, *rest: Any) -> Tensor:
    *topology, key = rest
    return reference.message_grad_w(_table(key), h, Y, g, EdgeTopology(*topology))


@_message_sum.register_fake
def _(h: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    return h.new_empty(rest[2].shape[0] - 1, _table(rest[-1]).receiver_components, h.shape[2])


@_message_grad_h.register_fake
def _(Y: Tensor, w: Tensor, g: Tensor, *rest: Any) -> Tensor:
    return g.new_empty(g.shape[0], _table(rest[-1]).sender_components, g.shape[2])


@_message_grad_y.register_fake
def _(h: Tensor, w: Tensor, g: Tensor, *rest: Any) -> Tensor:
    return h.new_empty(w.shape[0], _table(rest[-1]).harmonic_components)


@_message_grad_w.register_fake
def _(h: Tensor, Y: Tensor, g: Tensor, *rest: Any) -> Tensor:
    return h.new_empty(Y.shape[0], len(_table(rest[-1]).paths), h.shape[2])


_OPERATORS = {"g": "message_sum", "h": "message_grad_h", "Y": "message_grad_Y", "w": "message_grad_w"}
_ARGUMENTS = ("h", "Y", "w", "g")


def _register_derivatives(missing: str) -> None:
    """Register the backward of dQ/d(missing): with respect to each argument x it is dQ/dx, the incoming gradient
    standing in for the missing argument."""
    arguments = tuple(name for name in _ARGUMENTS if name != missing)

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:-1])
        ctx.key = inputs[-1]

    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        values = dict(zip(arguments, saved[:3], strict=True)) | {missing: gradient}
        topology = saved[3:]
        gradients: list[Tensor | None] = []
        for position, name in enumerate(arguments):
            if ctx.needs_input_grad[position]:
                operator = getattr(torch.ops.potentials, _OPERATORS[name])
                others = (values[other] for other in _ARGUMENTS if other != name)
                gradients.append(operator(*others, *topology, ctx.key))
            else:
                gradients.append(None)
        return (*gradients, *(None for _ in topology), None)

    torch.library.register_autograd(f"potentials::{_OPERATORS[missing]}", backward, setup_context=setup_context)


for _argument in _ARGUMENTS:
    _register_derivatives(_argument)
