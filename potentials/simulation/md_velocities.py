"""Initial velocities, and the temperature of given velocities."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, ZeroRotation

from potentials.simulation.constraints import removed_degrees_of_freedom
from potentials.simulation.md_settings import Ensemble


def draw_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Draw Maxwell-Boltzmann velocities for `atoms`, without total momentum and, for a molecule, without rotation.

    They are scaled to exactly `temperature` [K] in the remaining degrees of freedom, so that the initial kinetic energy
    is the same for every seed. If atoms are constrained, only the constraints are applied.
    """
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(units.kB * temperature * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta)
    if not atoms.constraints:
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any():
            with np.errstate(invalid="ignore"):  # ASE divides by the zero moment of inertia of a linear molecule
                ZeroRotation(atoms, preserve_temperature=False)
    drawn = kinetic_temperature(atoms, degrees_of_freedom(atoms, "nve"))
    atoms.set_momenta(atoms.get_momenta() * (np.sqrt(temperature / drawn) if drawn > 0 else 0.0))


def degrees_of_freedom(atoms: Atoms, ensemble: Ensemble) -> int:
    """Count the degrees of freedom that share the kinetic energy: 3N minus the constrained ones.

    `nve` without constraints conserves the total momentum, and for a molecule the angular momentum, which are zero and
    are not counted: 3N - 3 in a periodic cell, 3N - 6 for a molecule, 3N - 5 for a linear one. A thermostat heats all
    3N.
    """
    if atoms.constraints or ensemble != "nve":
        return 3 * len(atoms) - removed_degrees_of_freedom(atoms)
    rotations = 0
    if len(atoms) > 1 and not atoms.pbc.any():
        linear = np.linalg.matrix_rank(atoms.positions - atoms.positions.mean(axis=0), tol=1e-3) < 2
        rotations = 2 if linear else 3
    return max(3 * len(atoms) - 3 - rotations, 0)


def kinetic_temperature(atoms: Atoms, degrees_of_freedom: int) -> float:
    """Return 2 E_kin / (degrees of freedom * kB) in K; 0 without degrees of freedom."""
    if degrees_of_freedom == 0:
        return 0.0
    return float(2.0 * atoms.get_kinetic_energy() / (degrees_of_freedom * units.kB))
