"""A crystal is what it is, whichever images, cell vectors or repetitions describe it."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from families.cases import Case
from families.evaluation import assert_close, predict
from families.structures import PARTLY_PERIODIC, PERIODIC, crystal, slab

from potentials.potential import Potential

PERIODIC_ANYHOW = PERIODIC | PARTLY_PERIODIC


@pytest.mark.parametrize("name", PERIODIC_ANYHOW)
def test_atoms_outside_the_cell(name: str, case: Case, potential: Potential) -> None:
    atoms = PERIODIC_ANYHOW[name]()
    images = np.random.default_rng(3).integers(-3, 4, size=(len(atoms), 3)) * atoms.pbc
    assert (images != 0).any()
    outside = atoms.copy()
    outside.positions += images @ atoms.cell.array
    for actual, expected in zip(predict(potential, outside), predict(potential, atoms), strict=True):
        assert_close(actual, expected, case.variant.symmetry_tolerance)


@pytest.mark.parametrize("name", PERIODIC_ANYHOW)
def test_wrapped_and_unwrapped(name: str, case: Case, potential: Potential) -> None:
    atoms = PERIODIC_ANYHOW[name]()
    atoms.positions += 7.0
    wrapped = atoms.copy()
    wrapped.wrap()
    assert np.abs(wrapped.positions - atoms.positions).max() > 1.0
    for actual, expected in zip(predict(potential, wrapped), predict(potential, atoms), strict=True):
        assert_close(actual, expected, case.variant.symmetry_tolerance)


@pytest.mark.parametrize("name", PERIODIC)
def test_other_vectors_of_the_same_lattice(name: str, case: Case, potential: Potential) -> None:
    atoms = PERIODIC[name]()
    combination = np.array([[1, 1, 0], [0, 1, -1], [1, 2, 0]])
    assert round(np.linalg.det(combination)) == 1
    sheared = atoms.copy()
    sheared.set_cell(combination @ atoms.cell.array)
    for actual, expected in zip(predict(potential, sheared), predict(potential, atoms), strict=True):
        assert_close(actual, expected, case.variant.symmetry_tolerance)


@pytest.mark.parametrize("repetitions", [(2, 1, 1), (1, 2, 2)])
@pytest.mark.parametrize("name", PERIODIC)
def test_supercells(name: str, repetitions: tuple[int, int, int], case: Case, potential: Potential) -> None:
    atoms = PERIODIC[name]()
    copies = int(np.prod(repetitions))
    cell, supercell = predict(potential, atoms), predict(potential, atoms.repeat(repetitions))
    tolerance = case.variant.symmetry_tolerance
    assert_close(supercell.energy, copies * cell.energy, tolerance)
    assert_close(supercell.node_energies, np.tile(cell.node_energies, copies), tolerance)
    assert_close(supercell.forces, np.tile(cell.forces, (copies, 1)), tolerance)
    assert_close(supercell.stress, cell.stress, tolerance)


def test_directions_that_are_not_periodic_ignore_the_cell(potential: Potential) -> None:
    atoms = slab()
    other = atoms.copy()
    other.cell[1] = [0.3, 0.1, -0.2]
    np.testing.assert_array_equal(predict(potential, other).forces, predict(potential, atoms).forces)


def test_images_matter(potential: Potential) -> None:
    periodic, partly, alone = crystal(), slab(), Atoms(crystal(), pbc=False)
    found = predict(potential, periodic, partly, alone).energy
    assert np.abs(np.subtract.outer(found, found)[np.triu_indices(3, 1)]).min() > 1e-3
