"""Constant-energy dynamics: the error of the total energy is that of the integrator alone."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from families.evaluation import predict
from families.structures import crystal, ethanol
from numpy.typing import NDArray

from potentials.potential import Potential
from potentials.potential.compilation import compile_for_md


def total_energies(potential: Potential, atoms: Atoms, timestep: float, steps: int) -> NDArray:
    """Velocity Verlet from random velocities; potential plus kinetic energy, eV, after each step."""
    atoms = atoms.copy()
    masses = atoms.get_masses()[:, None]
    velocities = np.random.default_rng(0).normal(size=(len(atoms), 3)) * np.sqrt(600 * units.kB / masses)
    result = predict(potential, atoms)
    totals = []
    for _ in range(steps):
        velocities += 0.5 * timestep * result.forces / masses
        atoms.positions += timestep * velocities
        result = predict(potential, atoms)
        velocities += 0.5 * timestep * result.forces / masses
        totals.append(result.energy[0] + 0.5 * (masses * velocities**2).sum())
    return np.array(totals)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("build", [ethanol, crystal])
def test_energy_error_scales_as_the_square_of_the_time_step(
    build: type[Atoms], compiled: bool, potential: Potential
) -> None:
    atoms, timestep = build(), 0.2 * units.fs
    potential = compile_for_md(potential) if compiled else potential
    long = total_energies(potential, atoms, timestep, 20)
    short = total_energies(potential, atoms, timestep / 2, 40)[1::2]
    # E(t; dt) = E + c(t) dt^2 + O(dt^4): the two runs give E, and c(t) has to be the same in another pair of runs.
    conserved = (4 * short - long) / 3
    assert np.ptp(long) > 1e-7
    assert np.ptp(conserved) < 0.02 * np.ptp(long)
