"""Gates in plain PyTorch. These functions are differentiable: third derivatives use them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from potentials.kernels.activations import silu, tanh
from potentials.kernels.gate.table import GateTable


def _blocks(table: GateTable) -> Iterator[tuple[slice, int | None, bool]]:
    """Yield components of each block, its gate (None for a scalar), and whether its activation is the even one."""
    gate = 0
    for block in table.blocks:
        components = slice(block.start, block.start + block.components)
        if block.is_scalar:
            yield components, None, block.is_even
        else:
            yield components, gate, True
            gate += 1


def _activation(table: GateTable, x: Tensor, even: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the activation and its first and second derivatives."""
    value, first, second = (silu if even else tanh)(x)
    factor = table.even_factor if even else table.odd_factor
    return value * factor, first * factor, second * factor


def gate(table: GateTable, x: Tensor, gates: Tensor) -> Tensor:
    """Compute the activated features [N, D, C]."""
    parts = []
    for components, number, even in _blocks(table):
        values = x[:, components]
        if number is None:
            parts.append(_activation(table, values, even)[0])
        else:
            parts.append(values * _activation(table, gates[:, number, None], True)[0])
    return torch.cat(parts, dim=1)


def gate_gradients(table: GateTable, x: Tensor, gates: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of g . y with respect to x and gates."""
    by_x, by_gates = [], [gates[:, :0]]
    for components, number, even in _blocks(table):
        values, upstream = x[:, components], g[:, components]
        if number is None:
            by_x.append(_activation(table, values, even)[1] * upstream)
        else:
            value, first, _ = _activation(table, gates[:, number, None], True)
            by_x.append(value * upstream)
            by_gates.append(first * (values * upstream).sum(dim=1, keepdim=True))
    return torch.cat(by_x, dim=1), torch.cat(by_gates, dim=1)


def gate_tangents(
    table: GateTable, x: Tensor, gates: Tensor, g: Tensor, v: Tensor, v_gates: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients, with respect to x, gates and g, of the product of the gradients with (v, v_gates)."""
    by_x, by_gates, by_g = [], [gates[:, :0]], []
    for components, number, even in _blocks(table):
        values, upstream, along = (tensor[:, components] for tensor in (x, g, v))
        if number is None:
            _, first, second = _activation(table, values, even)
            by_x.append(second * upstream * along)
            by_g.append(first * along)
        else:
            value, first, second = _activation(table, gates[:, number, None], True)
            v_gate = v_gates[:, number, None]
            by_x.append(first * upstream * v_gate)
            by_g.append(value * along + first * values * v_gate)
            sums = [(tensor * upstream).sum(dim=1, keepdim=True) for tensor in (values, along)]
            by_gates.append(second * sums[0] * v_gate + first * sums[1])
    return torch.cat(by_x, dim=1), torch.cat(by_gates, dim=1), torch.cat(by_g, dim=1)
