"""Random rotations and reflections of graphs with their labels."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from potentials.data.graph.atomic_graph import GraphBatch


def random_rotations(count: int, generator: np.random.Generator) -> Tensor:
    """Draw matrices [count, 3, 3] uniformly from O(3): half of them, on average, contain a reflection.

    Each is the Q of Q R = A with a positive diagonal of R, for A of normally distributed numbers (Mezzadri, Notices of
    the AMS 54, 592 (2007)). Float64.
    """
    q, r = np.linalg.qr(generator.normal(size=(count, 3, 3)))
    return torch.from_numpy(q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :])


def frame_rotations(seed: int, epoch: int, frames: Sequence[int]) -> Tensor:
    """Draw a random rotation or reflection [B, 3, 3] for each frame, by its number.

    It depends on (seed, epoch, frame) only, not on batches, processes or earlier draws.
    """
    # From 1, since NumPy treats [seed, epoch] and [seed, epoch, 0] as equal; the former shuffles the frames.
    streams = [np.random.Generator(np.random.PCG64([seed, epoch, 1 + frame])) for frame in frames]
    return torch.cat([random_rotations(1, stream) for stream in streams])


def rotated(batch: GraphBatch, rotations: Tensor) -> GraphBatch:
    """Return the batch with frame b rotated by the orthogonal matrix Q_b of `rotations` [B, 3, 3].

    Positions, cell vectors and forces become Q x, stresses Q S Q^T; the edges do not change. A force or stress with
    a NaN component becomes NaN as a whole. The batch itself is not changed.
    """
    of_atom = rotations[batch.batch]
    rotated_batch = copy.copy(batch)
    rotated_batch.positions = (of_atom @ batch.positions.unsqueeze(2)).squeeze(2)
    rotated_batch.forces = (of_atom @ batch.forces.unsqueeze(2)).squeeze(2)
    rotated_batch.cell = batch.cell @ rotations.mT
    rotated_batch.stress = rotations @ batch.stress @ rotations.mT
    return rotated_batch
