"""Gates in plain PyTorch. These functions are differentiable: third derivatives use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from potentials.kernels.activations import silu, tanh
from potentials.kernels.gate.table import GateTable


class _Block(NamedTuple):
    """Rows of a block in features and gates (none for scalars), and whether its activation is the even one."""

    rows: slice
    copies: int
    gates: slice | None
    even: bool

    def of(self, features: Tensor) -> Tensor:
        """View the block of features [N, D, C] as [N, components, copies, C]."""
        return features[:, self.rows].unflatten(1, (-1, self.copies))


def _blocks(table: GateTable) -> Iterator[_Block]:
    gate = 0
    for block in table.blocks:
        rows = slice(block.start, block.start + block.components * block.copies)
        if block.is_scalar:
            yield _Block(rows, block.copies, None, block.is_even)
        else:
            yield _Block(rows, block.copies, slice(gate, gate + block.copies), True)
            gate += block.copies


def _activation(table: GateTable, x: Tensor, even: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the activation and its first and second derivatives."""
    value, first, second = (silu if even else tanh)(x)
    factor = table.even_factor if even else table.odd_factor
    return value * factor, first * factor, second * factor


def gate(table: GateTable, x: Tensor, gates: Tensor) -> Tensor:
    """Compute the activated features [N, D, C]."""
    parts = []
    for block in _blocks(table):
        values = block.of(x)
        if block.gates is None:
            parts.append(_activation(table, values, block.even)[0])
        else:
            parts.append(values * _activation(table, gates[:, None, block.gates], True)[0])
    return _joined(parts)


def gate_gradients(table: GateTable, x: Tensor, gates: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of g . y with respect to x and gates."""
    by_x, by_gates = [], [gates[:, :0]]
    for block in _blocks(table):
        values, upstream = block.of(x), block.of(g)
        if block.gates is None:
            by_x.append(_activation(table, values, block.even)[1] * upstream)
        else:
            value, first, _ = _activation(table, gates[:, None, block.gates], True)
            by_x.append(value * upstream)
            by_gates.append((first * (values * upstream).sum(dim=1, keepdim=True)).flatten(1, 2))
    return _joined(by_x), torch.cat(by_gates, dim=1)


def gate_tangents(
    table: GateTable, x: Tensor, gates: Tensor, g: Tensor, v: Tensor, v_gates: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients, with respect to x, gates and g, of the product of the gradients with (v, v_gates)."""
    by_x, by_gates, by_g = [], [gates[:, :0]], []
    for block in _blocks(table):
        values, upstream, along = (block.of(tensor) for tensor in (x, g, v))
        if block.gates is None:
            _, first, second = _activation(table, values, block.even)
            by_x.append(second * upstream * along)
            by_g.append(first * along)
        else:
            value, first, second = _activation(table, gates[:, None, block.gates], True)
            v_gate = v_gates[:, None, block.gates]
            by_x.append(first * upstream * v_gate)
            by_g.append(value * along + first * values * v_gate)
            sums = [(tensor * upstream).sum(dim=1, keepdim=True) for tensor in (values, along)]
            by_gates.append((second * sums[0] * v_gate + first * sums[1]).flatten(1, 2))
    return _joined(by_x), torch.cat(by_gates, dim=1), _joined(by_g)


def _joined(parts: list[Tensor]) -> Tensor:
    """Join blocks [N, components, copies, C] to features [N, D, C]."""
    return torch.cat([part.flatten(1, 2) for part in parts], dim=1)
