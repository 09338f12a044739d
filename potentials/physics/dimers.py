"""Dimer curves: energy and force of two atoms as functions of their distance."""

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
"""Direction of the dimer; off any axis, where values could vanish by symmetry."""


@dataclass(frozen=True, eq=False)
class DimerCurve:
    """Energy and force of a pair of elements at D distances."""

    elements: tuple[str, str]
    distances: NDArray[np.float64]
    """[D] A, ascending."""
    energies: NDArray[np.float64]
    """[D] eV, relative to the two separate atoms."""
    forces: NDArray[np.float64]
    """[D] eV/A, -dE/dr: positive for repulsion."""
    repulsion: NDArray[np.float64] | None
    """[D] eV, contribution of ZBL repulsion; None if the potential has none."""

    @property
    def well(self) -> tuple[float, float]:
        """Distance (A) and energy (eV) of the lowest point."""
        lowest = int(np.argmin(self.energies))
        return float(self.distances[lowest]), float(self.energies[lowest])

    def hole(self, start: float, least: float) -> Hole | None:
        """Find an unphysical attraction at short distances.

        From the distance `start` inwards, the atoms may attract each other down to a bond that is not shorter than
        `least` (both in A). If they attract each other again at shorter distances, or still do at `least`, there is a
        hole; its barrier is the rise of the energy from the bond to that distance.

        Returns:
            The hole; None if there is none.
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
    """An unphysical attraction at short distances."""

    distance: float
    """Distance in A below which the atoms attract each other."""
    barrier: float
    """Energy barrier before it, eV."""


def dimer_curve(potential: Potential, elements: tuple[str, str], distances: Sequence[float]) -> DimerCurve:
    """Compute energies and forces of a dimer at these distances (A), in one batch.

    Raises:
        UnknownElementError: the potential does not support one of the elements.
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
