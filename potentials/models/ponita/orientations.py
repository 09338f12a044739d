"""The grid of orientations, and the table of messages between equal orientations."""

from __future__ import annotations

from functools import cache

import numpy as np

from potentials.kernels import MessagePath, MessageTable


@cache
def orientation_grid(size: int) -> np.ndarray:
    """Distribute points [size, 3] over the unit sphere: a Fibonacci spiral, relaxed with the pair repulsion 1 / r.

    The result is deterministic.
    """
    index = np.arange(size) + 0.5
    height, angle = 1 - 2 * index / size, index * np.pi * (1 + 5**0.5)
    radius = np.sqrt(1 - height**2)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    step = 0.5 / size
    for _ in range(1000):
        offsets = points[:, None] - points[None]
        distances = np.linalg.norm(offsets, axis=2)
        np.fill_diagonal(distances, np.inf)
        points = points + step / size * (offsets / distances[..., None] ** 3).sum(axis=1)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def pointwise_table(orientations: int) -> MessageTable:
    """Return the table of messages in which each orientation receives from the same orientation."""
    paths = [MessagePath(o, 0, o, 1, np.ones((1, 1, 1))) for o in range(orientations)]
    return MessageTable.create(orientations, 1, orientations, paths)
