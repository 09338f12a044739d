"""Message passing as a composition of PyTorch's differentiable functions, for any device, dtype and transformation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from potentials.kernels.autograd import vjp
from potentials.kernels.message_passing.splines import RadialSplines, evaluate_splines
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.topology import EdgeTopology


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """Compute dQ/dg [N, D, C], path by path."""
    sums = [h.new_zeros(topology.num_nodes, 0, h.shape[2])]
    components: list[int] = []
    of_edge = w.index_select(0, topology.edge_pair)
    for number, path in enumerate(table.paths):
        a, b, d = path.coefficients.shape
        matrix = _constant(path.coefficients.transpose(1, 2, 0).reshape(b, d * a), h)
        couplings = (Y[:, path.harmonic_start : path.harmonic_start + b] @ matrix).unflatten(1, (d, a))
        senders = path.senders
        features = h[:, senders.start : senders.stop : senders.step].index_select(0, topology.senders)
        messages = (couplings @ features) * of_edge[:, number, None]
        sums.append(h.new_zeros(topology.num_nodes, d, h.shape[2]).index_add(0, topology.receivers, messages))
        components += path.receivers
    order = torch.from_numpy(np.argsort(np.array(components, dtype=np.int64))).to(h.device)
    return torch.cat(sums, dim=1).index_select(1, order)


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute dQ/dh, dQ/dY and dQ/dw; gradients that are not requested are empty."""
    _, back = vjp(lambda h, Y, w: message_sum(table, h, Y, w, topology), h, Y, w)
    found = back(g)
    return tuple(x if name in wanted else h.new_empty(0) for name, x in zip("hYw", found, strict=True))  # type: ignore[return-value]


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """Compute dQ/dg [N, D, C] with splines as radial weights."""
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
    """Compute dQ/dh, dQ/dY and dQ/dr [W, 1]; gradients that are not requested are empty."""

    def value(h: Tensor, Y: Tensor, distances: Tensor) -> Tensor:
        return spline_message_sum(table, h, Y, distances, splines, topology)

    _, back = vjp(value, h, Y, distances)
    found = back(g)
    return tuple(x if name in wanted else h.new_empty(0) for name, x in zip("hYr", found, strict=True))  # type: ignore[return-value]


def _constant(numbers: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers)).to(like.device, like.dtype)
