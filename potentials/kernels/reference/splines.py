"""Message passing with radial weights that are splines, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from potentials.kernels.reference.message_passing import message_gradients, message_sum
from potentials.kernels.reference.radial_network import row_dot
from potentials.kernels.tables import MessageTable, RadialSplines
from potentials.kernels.topology import EdgeTopology


def evaluate_splines(splines: RadialSplines, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Values and derivatives [W, F] at distances [W, 1]."""
    # In float64: the position of a far knot leaves few digits of float32 for the place between two knots.
    position = (distances.squeeze(1).to(torch.float64) - splines.start) / splines.step
    # What is no number must not become an index.
    interval = torch.nan_to_num(position.floor(), nan=0.0).clamp(0, splines.coefficients.shape[0] - 1)
    t = (position - interval).to(distances.dtype).unsqueeze(1)
    coefficients = splines.coefficients[interval.to(torch.int64)]
    values, slopes = coefficients[:, 5], torch.zeros_like(coefficients[:, 5])
    for power in range(4, -1, -1):
        slopes = slopes * t + values
        values = values * t + coefficients[:, power]
    return values, slopes / splines.step


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
