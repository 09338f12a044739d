"""Measured error of a potential under rotations and reflections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from potentials.data.batch import BatchLimit, batches
from potentials.data.graph import AtomicGraph, GraphBatch, random_rotations, rotated
from potentials.potential import Potential

ORIENTATIONS = 12
_MOST_FRAMES = 50


@dataclass(frozen=True)
class RotationError:
    """Differences of energies and forces between orientations of the same structures; zero for exact symmetry."""

    frames: int
    """Number of structures, each in `ORIENTATIONS` random rotations or reflections."""
    energy_per_atom: float
    """Root mean square deviation of the energy from its mean over the orientations, eV/atom."""
    forces: float
    """The same for the forces, rotated back, eV/A per component."""
    force_size: float
    """Root mean square of the mean forces, eV/A per component."""


def rotation_error(
    potential: Potential, graphs: Sequence[AtomicGraph], *, limit: BatchLimit = BatchLimit("frames", 16)
) -> RotationError:
    """Rotate and mirror structures at random, predict, rotate forces back, and compare.

    Args:
        potential: in evaluation mode, on its current device.
        graphs: built for its elements and cutoff; of more than 50, 50 evenly spaced ones are used.
        limit: size of a batch; it affects the result only by rounding.
    """
    count = min(len(graphs), _MOST_FRAMES)
    chosen = [graphs[index * len(graphs) // count] for index in range(count)]
    drawn = random_rotations(count * ORIENTATIONS, np.random.default_rng(0)).reshape(count, ORIENTATIONS, 3, 3)
    energy, forces, size = [], [], []
    start = 0
    for batch in batches(chosen, limit):
        energies, rotated_back = _predictions(potential, batch, drawn[start : start + batch.num_graphs])
        energy.append(energies.var(dim=0, correction=0))
        forces.append(rotated_back.var(dim=0, correction=0))
        size.append(rotated_back.mean(dim=0).square())
        start += batch.num_graphs
    return RotationError(count, _root_mean(energy), _root_mean(forces), _root_mean(size))


def _predictions(potential: Potential, batch: GraphBatch, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Predict energies per atom [O, B] and forces [O, N, 3], rotated back, in orientations [B, O, 3, 3] of B frames."""
    device = potential.reference_energies.device
    batch = batch.to(device)
    rotations = rotations.to(device)
    energies, forces = [], []
    for orientation in rotations.unbind(dim=1):
        prediction = potential(rotated(batch, orientation), create_graph=False)
        energies.append(prediction.energy / (batch.ptr[1:] - batch.ptr[:-1]))
        # For a row vector x, x Q applies Q^T.
        forces.append((prediction.forces.to(torch.float64).unsqueeze(1) @ orientation[batch.batch]).squeeze(1))
    return torch.stack(energies), torch.stack(forces)


def _root_mean(squares: Sequence[Tensor]) -> float:
    return float(torch.cat([split.flatten() for split in squares]).mean().sqrt())
