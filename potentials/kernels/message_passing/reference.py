"""Message passing in plain PyTorch, with radial weights given as values or as splines of the distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from potentials.kernels.message_passing.splines import RadialSplines, evaluate_splines
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.radial_network.reference import row_dot
from potentials.kernels.tables import lookup
from potentials.kernels.topology import EdgeTopology
from potentials.kernels.transforms import kept_constants


@dataclass(frozen=True)
class _SenderBlock:
    """The paths that read one range of sender components, as one dense matrix per edge.

    Y @ matrix gives for each edge the couplings [d, a] to all receiver components of these paths; each row d belongs to
    one path.
    """

    sender: slice
    receivers: Tensor
    """[d] receiver components, path by path."""
    paths: tuple[tuple[int, slice], ...]
    """Each path and its range of rows d."""
    matrix: Tensor
    """[B, d * a]."""

    def couplings(self, Y: Tensor) -> Tensor:
        """Compute the couplings of each edge, [E, d, a]."""
        return (Y @ self.matrix).unflatten(1, (len(self.receivers), -1))

    def weigh_(self, rows: Tensor, w: Tensor) -> Tensor:
        """Multiply rows [E, d, C] in place by the weight of each row's path."""
        for path, part in self.paths:
            rows[:, part] *= w[:, path, None]
        return rows


@kept_constants(256)
def _sender_blocks(key: str, device: torch.device, dtype: torch.dtype) -> tuple[_SenderBlock, ...]:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    blocks: list[_SenderBlock] = []
    for senders in dict.fromkeys(path.senders for path in table.paths):
        numbers = [number for number, path in enumerate(table.paths) if path.senders == senders]
        receivers: list[int] = []
        rows: list[Tensor] = []
        parts: list[tuple[int, slice]] = []
        for number in numbers:
            path = table.paths[number]
            _, b, d = path.coefficients.shape
            parts.append((number, slice(len(receivers), len(receivers) + d)))
            receivers += path.receivers
            row = torch.zeros(table.harmonic_components, d, len(senders), dtype=torch.float64)
            row[path.harmonic_start : path.harmonic_start + b] = torch.from_numpy(path.coefficients).permute(1, 2, 0)
            rows.append(row)
        blocks.append(
            _SenderBlock(
                slice(senders.start, senders.stop, senders.step),
                torch.tensor(receivers, device=device),
                tuple(parts),
                torch.cat(rows, dim=1).flatten(1).to(device, dtype),
            )
        )
    return tuple(blocks)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """Compute dQ/dg [N, D, C]."""
    result = h.new_zeros(topology.num_nodes, table.receiver_components, h.shape[2])
    for block in _sender_blocks(table.key, h.device, h.dtype):
        messages = block.couplings(Y) @ h[:, block.sender].index_select(0, topology.senders)
        block.weigh_(messages, w.index_select(0, topology.edge_pair))
        summed = messages.new_zeros(topology.num_nodes, *messages.shape[1:])
        result[:, block.receivers] = summed.index_add_(0, topology.receivers, messages)
    return result


def message_grad_h(table: MessageTable, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """Compute dQ/dh [N, A, C]."""
    result = g.new_zeros(topology.num_nodes, table.sender_components, g.shape[2])
    for block in _sender_blocks(table.key, g.device, g.dtype):
        gradients = block.couplings(Y).transpose(1, 2) @ _weighted_receivers(block, w, g, topology)
        result[:, block.sender].index_add_(0, topology.senders, gradients)
    return result


def message_grad_Y(table: MessageTable, h: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """Compute dQ/dY [E, B]."""
    result = h.new_zeros(topology.num_edges, table.harmonic_components)
    for block in _sender_blocks(table.key, h.device, h.dtype):
        sender_features = h[:, block.sender].index_select(0, topology.senders)
        couplings = _weighted_receivers(block, w, g, topology) @ sender_features.transpose(1, 2)
        result.addmm_(couplings.flatten(1), block.matrix.T)
    return result


def message_grad_w(table: MessageTable, h: Tensor, Y: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """Compute dQ/dw [W, P, C]."""
    of_edge = h.new_empty(topology.num_edges, len(table.paths), h.shape[2])
    for block in _sender_blocks(table.key, h.device, h.dtype):
        messages = block.couplings(Y) @ h[:, block.sender].index_select(0, topology.senders)
        messages *= g.index_select(1, block.receivers).index_select(0, topology.receivers)
        for path, part in block.paths:
            torch.sum(messages[:, part], dim=1, out=of_edge[:, path])
    result = h.new_zeros(topology.num_pairs, len(table.paths), h.shape[2])
    return result.index_add_(0, topology.edge_pair, of_edge)


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute dQ/dh, dQ/dY and dQ/dw; gradients that are not requested are empty."""
    nothing = h.new_empty(0)
    return (
        message_grad_h(table, Y, w, g, topology) if "h" in wanted else nothing,
        message_grad_Y(table, h, w, g, topology) if "Y" in wanted else nothing,
        message_grad_w(table, h, Y, g, topology) if "w" in wanted else nothing,
    )


def message_tangents(
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
    """Compute derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw), as far as requested.

    Q is linear in each argument, so a derivative is the sum of terms with one argument replaced by its direction.
    """
    results = [
        torch.zeros_like(x) if name in wanted else x.new_empty(0) for name, x in zip("hYwg", (h, Y, w, g), strict=True)
    ]
    for position, direction in enumerate((dh, dY, dw)):
        if direction is None:
            continue
        replaced = [direction if position == other else value for other, value in enumerate((h, Y, w))]
        others = wanted.replace("hYw"[position], "")
        parts = message_gradients(table, replaced[0], replaced[1], replaced[2], g, topology, others)
        for number, name in enumerate("hYw"):
            if name in others:
                results[number] += parts[number]
        if "g" in wanted:
            results[3] += message_sum(table, replaced[0], replaced[1], replaced[2], topology)
    return results[0], results[1], results[2], results[3]


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """Compute dQ/dg [N, D, C]."""
    weights, _ = evaluate_splines(splines, distances)
    return message_sum(table, h, Y, weights.unflatten(1, (-1, h.shape[2])), topology)


def spline_message_gradients(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    distances: Tensor,
    splines: RadialSplines,
    g: Tensor,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute dQ/dh, dQ/dY and dQ/dr [W, 1], as far as requested."""
    weights, slopes = evaluate_splines(splines, distances)
    parts = wanted.replace("r", "w")
    by_h, by_Y, by_w = message_gradients(table, h, Y, weights.unflatten(1, (-1, h.shape[2])), g, topology, parts)
    by_distance = row_dot(by_w.flatten(1), slopes).unsqueeze(1) if "r" in wanted else h.new_empty(0)
    return by_h, by_Y, by_distance


def _weighted_receivers(block: _SenderBlock, w: Tensor, g: Tensor, topology: EdgeTopology) -> Tensor:
    """Multiply g of each edge's receiver by the weight of the path of each component, [E, d, C]."""
    received = g.index_select(1, block.receivers).index_select(0, topology.receivers)
    return block.weigh_(received, w.index_select(0, topology.edge_pair))
