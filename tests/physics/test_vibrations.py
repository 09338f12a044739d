"""Vibrations of two and three Morse atoms, in closed form."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.data import atomic_masses
from morse_family import EPSILON, R0, RHO0, morse_potential

from potentials.errors import SimulationError
from potentials.physics.vibrations import hessian, molecular_vibrations

SPRING = 2 * EPSILON * (RHO0 / R0) ** 2
"""eV/A^2, second derivative of a Morse pair at its minimum."""


def wavenumber(square: float) -> float:
    """1/cm of eV/A^2/amu."""
    frequency = np.sqrt(square * units._e / units._amu) * 1e10 / (2 * np.pi)
    return frequency / units._c / 100


def test_a_dimer_has_one_vibration_and_five_rigid_motions() -> None:
    atoms = Atoms("OCu", [[1, 2, 3], np.array([1, 2, 3]) + R0 * np.array([0.6, 0, 0.8])])
    found = molecular_vibrations(morse_potential(), atoms)
    reduced = 1 / (1 / atomic_masses[8] + 1 / atomic_masses[29])
    assert found.wavenumbers == pytest.approx([wavenumber(SPRING / reduced)], rel=1e-3)
    assert len(found.rigid) == 5
    assert np.abs(found.rigid).max() < 1
    # The light atom moves by one along the bond, the heavy one the other way.
    light, heavy = found.modes[0]
    assert np.abs(light) == pytest.approx([0.6, 0, 0.8], abs=1e-3)
    assert heavy == pytest.approx(-light * atomic_masses[8] / atomic_masses[29], abs=1e-3)


def test_a_triangle_has_its_breathing_mode_and_a_pair() -> None:
    atoms = Atoms("Cu3", R0 * np.array([[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]]))
    found = molecular_vibrations(morse_potential(), atoms)
    mass = atomic_masses[29]
    expected = [wavenumber(1.5 * SPRING / mass)] * 2 + [wavenumber(3 * SPRING / mass)]
    assert found.wavenumbers == pytest.approx(expected, rel=1e-3)
    assert len(found.rigid) == 6
    assert np.abs(found.rigid).max() < 1


def test_stretched_bonds_beyond_the_inflection_are_imaginary() -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 1.4 * R0]])
    assert molecular_vibrations(morse_potential(), atoms).wavenumbers[0] < -10


def test_second_derivatives_are_differences_of_the_energy() -> None:
    potential = morse_potential()
    atoms = Atoms("CuO2", [[0, 0, 0], [2.5, 0.3, 0], [-0.4, 2.7, 0.2]])
    found = hessian(potential, atoms, step=1e-3)

    from potentials.potential import PotentialCalculator

    atoms.calc = PotentialCalculator(potential, compiled=False)
    step, (one, two) = 1e-3, (3, 7)
    energies = {}
    for first in (1, -1):
        for second in (1, -1):
            moved = atoms.copy()
            moved.calc = atoms.calc
            moved.positions.flat[one] += first * step
            moved.positions.flat[two] += second * step
            energies[first, second] = moved.get_potential_energy()
    mixed = (energies[1, 1] - energies[1, -1] - energies[-1, 1] + energies[-1, -1]) / (4 * step**2)
    assert found[one, two] == pytest.approx(mixed, abs=1e-5)
    np.testing.assert_allclose(found, found.T, atol=1e-5)


@pytest.mark.parametrize("atoms", [Atoms("Cu"), bulk("Cu"), molecule("O2", pbc=True, cell=[9, 9, 9])])
def test_what_is_no_molecule_is_refused(atoms: Atoms) -> None:
    with pytest.raises(SimulationError, match="at least two atoms"):
        molecular_vibrations(morse_potential(), atoms)
