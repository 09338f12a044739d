"""phonopy: the force constants of a cubic crystal, by another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms, units
from clients.guide import run_snippets

from potentials.physics.phonons import phonon_dispersion
from potentials.potential import PotentialCalculator


def test_the_snippet(folder: Path, client: Callable[..., None]) -> None:
    """Frequencies at X and L are those of the dynamical matrix summed by hand from finite differences of forces."""
    client("phonopy")
    left = run_snippets("phonopy")
    frequencies, calculator, crystal = left["frequencies"], left["calculator"], left["crystal"]
    assert len(crystal) == 1
    assert np.abs(frequencies[0]).max() < 0.02
    for index, q in ((1, (0.5, 0.5, 0)), (2, (0.5, 0.5, 0.5))):
        expected = _frequencies(calculator, crystal, np.array(q))
        np.testing.assert_allclose(frequencies[index], expected, rtol=2e-3)
    ours = phonon_dispersion(calculator, crystal, (4, 4, 4), points=20)
    assert frequencies.max() <= ours.frequencies.max() + 1e-3


def _frequencies(calculator: PotentialCalculator, crystal: Atoms, q: np.ndarray) -> np.ndarray:
    """THz, of one atom per cell, from D(q) = sum over cells R of Phi(0, R) cos(2 pi q R) / m in a 4x4x4 supercell."""
    repeats, displacement = 4, 0.01
    supercell = crystal.repeat((repeats,) * 3)
    forces = np.zeros((3, len(supercell), 3))
    for axis in range(3):
        for sign in (1, -1):
            displaced = supercell.copy()
            displaced.positions[0, axis] += sign * displacement
            forces[axis] += sign * calculator.get_forces(displaced) / (2 * displacement)
    cells = np.rint(np.linalg.solve(crystal.cell.array.T, (supercell.positions - supercell.positions[0]).T)).T
    phases = np.cos(2 * np.pi * cells @ q)
    matrix = -np.einsum("anb,n->ab", forces, phases) / crystal.get_masses()[0]
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    # eV/(A^2 u) to angular frequency in ASE's units of time, and that to THz.
    return np.sqrt(values) / (2 * np.pi) * units.fs * 1e3
