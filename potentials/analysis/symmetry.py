"""How well a potential keeps the symmetry under rotations and reflections, measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from potentials.clusters import rattled_cluster
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.potential import Potential

_ROTATIONS = 12


@dataclass(frozen=True)
class RotationError:
    """Of a test cluster, turned and mirrored at random."""

    forces: float
    """Root mean square of what forces differ by from the mean over the turned clusters, eV/A per component."""
    force_size: float
    """Root mean square of that mean, eV/A per component."""
    energy: float
    """Standard deviation of the energy, eV/atom."""


def rotation_error(potential: Potential) -> RotationError:
    """Energies and forces of a rattled cluster of the potential's elements in twelve orientations, every other one
    mirrored, turned back and compared.

    Raises:
        PotentialsError: the potential gives no forces.
    """
    cluster = rattled_cluster(potential.elements, 1.0)
    rotations = Rotation.random(_ROTATIONS, random_state=0).as_matrix()
    rotations[1::2] *= -1
    energies, forces = [], []
    for rotation in rotations:
        turned = cluster.copy()
        turned.positions = cluster.positions @ rotation.T
        prediction = potential(build_graph(turned, potential.elements, potential.cutoff), create_graph=False)
        if prediction.forces is None:
            raise PotentialsError("the potential gives no forces")
        energies.append(float(prediction.energy) / len(cluster))
        forces.append(prediction.forces.numpy(force=True) @ rotation)
    mean = np.mean(forces, axis=0)
    return RotationError(
        forces=float(np.sqrt(np.mean((np.array(forces) - mean) ** 2))),
        force_size=float(np.sqrt(np.mean(mean**2))),
        energy=float(np.std(energies)),
    )
