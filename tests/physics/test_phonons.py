"""Phonons of Morse atoms in an fcc crystal, whose dynamical matrix is a sum over the lattice."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.data import atomic_masses
from morse_family import CUTOFF, morse_potential
from morse_pairs import fcc_frequencies, fcc_lattice_constant

from potentials.physics.phonons import PhononDispersion, phonon_dispersion, supercell_repeats
from potentials.potential import PotentialCalculator

pytest.importorskip("phonopy", reason="the extra phonons is not installed")
THZ = 1e-12 / (2 * np.pi) * np.sqrt(units._e / units._amu) * 1e10
"""Of sqrt(eV/amu)/A."""


def dispersion(lattice_constant: float) -> tuple[Atoms, PhononDispersion]:
    crystal = bulk("Cu", a=lattice_constant)
    calculator = PotentialCalculator(morse_potential(), compiled=False)
    return crystal, phonon_dispersion(calculator, crystal, supercell_repeats(crystal, 2 * CUTOFF, 300), points=40)


@pytest.fixture(scope="module")
def relaxed() -> tuple[Atoms, PhononDispersion]:
    return dispersion(fcc_lattice_constant())


def test_frequencies_are_those_of_the_lattice_sums(relaxed: tuple[Atoms, PhononDispersion]) -> None:
    crystal, phonons = relaxed
    path = crystal.cell.bandpath(npoints=40)
    wave_vectors = path.kpts @ crystal.cell.reciprocal()
    assert len(wave_vectors) == len(phonons.frequencies)
    expected = [fcc_frequencies(q, atomic_masses[29], fcc_lattice_constant()) for q in wave_vectors]
    np.testing.assert_allclose(np.sort(phonons.frequencies, axis=1), THZ * np.array(expected), atol=0.02)
    assert phonons.frequencies.max() > 5
    assert phonons.lowest > -1e-3
    assert phonons.acoustic < 1e-3


def test_weights_and_corners(relaxed: tuple[Atoms, PhononDispersion]) -> None:
    _, phonons = relaxed
    assert phonons.mesh_weights.sum() == pytest.approx(1)
    assert phonons.mesh_frequencies.shape == (len(phonons.mesh_weights), 3)
    assert phonons.corners[0] == (0.0, "G")
    assert {name for _, name in phonons.corners} >= {"G", "X", "L"}
    assert phonons.displacements == 1


def test_a_stretched_crystal_has_imaginary_modes() -> None:
    lattice_constant = 1.3 * fcc_lattice_constant()
    crystal, phonons = dispersion(lattice_constant)
    wave_vectors = crystal.cell.bandpath(npoints=40).kpts @ crystal.cell.reciprocal()
    expected = THZ * np.array([fcc_frequencies(q, atomic_masses[29], lattice_constant) for q in wave_vectors])
    assert expected.min() < -1
    np.testing.assert_allclose(np.sort(phonons.frequencies, axis=1), expected, atol=0.1)
    assert phonons.lowest <= phonons.frequencies.min()


def test_supercells() -> None:
    crystal = bulk("Cu")
    assert supercell_repeats(crystal, 10.0, 1000) == (5, 5, 5)
    assert supercell_repeats(crystal, 10.0, 64) == (4, 4, 4)
    assert supercell_repeats(Atoms("Cu", cell=[3.0, 6.0, 12.0], pbc=True), 10.0, 1000) == (4, 2, 1)
    assert supercell_repeats(crystal, 10.0, 1) == (1, 1, 1)
