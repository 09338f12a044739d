"""Message passing with radial weights that are splines, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from potentials.kernels.reference.message_passing import message_gradients, message_sum
from potentials.kernels.reference.radial_network import row_dot
from potentials.kernels.tables import MessageTable, RadialSplines
from potentials.kernels.topology import EdgeTopology

# Coefficients of t^0, t^1, ... of the quintic polynomials that are 1 in value, slope or curvature at one end of [0, 1],
# and 0 in all else.
_HERMITE = [
    [1, 0, 0, -10, 15, -6],
    [0, 1, 0, -6, 8, -3],
    [0, 0, 0.5, -1.5, 1.5, -0.5],
    [0, 0, 0, 10, -15, 6],
    [0, 0, 0, -4, 7, -3],
    [0, 0, 0, 0.5, -1, 0.5],
]


def evaluate_splines(splines: RadialSplines, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Values and derivatives [W, F] at distances [W, 1]."""
    position = (distances.squeeze(1) - splines.start) / splines.step
    # What is no number must not become an index.
    interval = torch.nan_to_num(position.floor(), nan=0.0).clamp(0, splines.knots.shape[0] - 2)
    t = (position - interval).unsqueeze(1)
    coefficients = t.new_tensor(_HERMITE)
    powers = torch.arange(6, device=t.device)
    values = t**powers @ coefficients.T
    slopes = (powers[1:] * t ** powers[:-1]) @ coefficients[:, 1:].T / splines.step
    first = interval.to(torch.int64)
    knots = torch.cat([splines.knots[first], splines.knots[first + 1]], dim=1)
    return (values.unsqueeze(2) * knots).sum(dim=1), (slopes.unsqueeze(2) * knots).sum(dim=1)


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """dQ/dg [N, D, C]."""
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
    """dQ/dh, dQ/dY and dQ/dr [W, 1], those that are wanted."""
    weights, slopes = evaluate_splines(splines, distances)
    parts = wanted.replace("r", "w")
    by_h, by_Y, by_w = message_gradients(table, h, Y, weights.unflatten(1, (-1, h.shape[2])), g, topology, parts)
    by_distance = row_dot(by_w.flatten(1), slopes).unsqueeze(1) if "r" in wanted else h.new_empty(0)
    return by_h, by_Y, by_distance
