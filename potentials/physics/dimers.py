"""Two atoms alone in space: energy and force of a potential against their distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.graph import build_graph, collate
from potentials.potential import Potential, edge_topology, edge_vectors

_DIRECTION = np.array([0.36, 0.48, 0.8])
"""Of no axis, where numbers would vanish by chance."""


@dataclass(frozen=True, eq=False)
class DimerCurve:
    """Energy and force of one pair of elements at D distances."""

    elements: tuple[str, str]
    distances: NDArray[np.float64]
    """[D] A, growing."""
    energies: NDArray[np.float64]
    """[D] eV, less those of the two atoms alone."""
    forces: NDArray[np.float64]
    """[D] eV/A, -dE/dr: positive where the atoms repel each other."""
    repulsion: NDArray[np.float64] | None
    """[D] eV, the part of the energy that is the potential's ZBL repulsion; None if it has none."""

    @property
    def well(self) -> tuple[float, float]:
        """Distance (A) and energy (eV) of the lowest point."""
        lowest = int(np.argmin(self.energies))
        return float(self.distances[lowest]), float(self.energies[lowest])

    def hole(self, start: float, least: float) -> Hole | None:
        """Where atoms that come closer fall into each other.

        Going inwards from the distance `start`, the atoms may first attract each other, down to a bond not shorter
        than `least` (both in A). Where they attract each other again, or do so still at `least`, there is a hole; its
        barrier is what the energy rises by from the bond on the way there.
        """
        inwards = np.flatnonzero(self.distances <= start)[::-1]
        distances, energies, attractive = self.distances[inwards], self.energies[inwards], self.forces[inwards] < 0
        repulsive = np.flatnonzero(~attractive & (distances >= least))
        if len(repulsive) == 0:
            beyond = np.flatnonzero(attractive)
            return Hole(float(distances[beyond[0]]), 0.0) if len(beyond) else None
        bond = repulsive[0]
        fallen = np.flatnonzero(attractive[bond:])
        if len(fallen) == 0:
            return None
        end = bond + fallen[0]
        return Hole(float(distances[end]), float(energies[bond : end + 1].max() - energies[bond]))


@dataclass(frozen=True)
class Hole:
    """Where two atoms fall into each other."""

    distance: float
    """A, below which they attract each other."""
    barrier: float
    """eV, that keeps them from getting there."""


def dimer_curve(potential: Potential, elements: tuple[str, str], distances: Sequence[float]) -> DimerCurve:
    """Energies and forces of a dimer at these distances (A), in one batch.

    Raises:
        UnknownElementError: the potential does not know one of the elements.
    """
    lengths = np.sort(np.asarray(distances, dtype=float))
    dimers = [Atoms(elements, positions=[[0, 0, 0], length * _DIRECTION]) for length in lengths]
    alone = [Atoms([element]) for element in elements]
    device = potential.reference_energies.device
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in (*dimers, *alone)])
    batch = batch.to(device)
    prediction = potential(batch, create_graph=False)
    energies = prediction.energy.cpu().numpy()
    forces = prediction.forces.to(torch.float64).cpu().numpy()[: 2 * len(lengths)].reshape(-1, 2, 3)
    repulsion = None
    if potential.zbl is not None:
        lengths_of_edges = torch.linalg.vector_norm(edge_vectors(batch), dim=1)
        of_atoms = potential.zbl(lengths_of_edges, batch.species, edge_topology(batch)).cpu().numpy()
        repulsion = of_atoms[: 2 * len(lengths)].reshape(-1, 2).sum(axis=1)
    return DimerCurve(elements, lengths, energies[:-2] - energies[-2:].sum(), forces[:, 1] @ _DIRECTION, repulsion)
