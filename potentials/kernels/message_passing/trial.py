"""A small message-passing problem for testing GPU kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.topology import EdgeTopology
from potentials.kernels.trials import random_numbers


def small_problem(table: MessageTable, h: Tensor, rest: tuple[Any, ...]) -> list[Any]:
    """Create arguments of a small call with the same table.

    There are 4 atoms, one of them without neighbors and one a neighbor of its own image, and an edge without a reverse.
    """
    random, channels, device = random_numbers(h.device), h.shape[2], h.device
    edges = torch.tensor([[1, 2, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 2, 2]], device=device)
    topology = EdgeTopology.from_edge_index(edges, 4)._replace(
        edge_pair=torch.tensor([0, 1, 2, 2, 0, 1, 3], device=device),
        pair_edges=torch.tensor([[0, 4], [1, 5], [2, 3], [6, 6]], device=device),
    )
    shapes = [
        (4, table.sender_components, channels),
        (7, table.harmonic_components),
        (4, len(table.paths), channels),
        (4, table.receiver_components, channels),
    ]
    # h, Y, w, g, and the directions of h, Y and w.
    numbers = [random(*shape) for shape in (*shapes, *shapes[:3])]
    given: list[Any] = []
    for entry in (h, *rest):
        if isinstance(entry, EdgeTopology):
            given.append(topology)
        else:
            given.append(entry if entry is None or isinstance(entry, str) else numbers[len(given)])
    return given
