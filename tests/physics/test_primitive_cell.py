"""Cells that are repeated, shuffled and shaken a little, and brought back."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potentials.data.geometry.neighbor_list import neighbor_list
from potentials.errors import DataError
from potentials.physics.primitive_cell import num_distinct_sites, primitive_cell

CRYSTALS = {
    "fcc": (bulk("Cu", cubic=True) * (2, 2, 2), 1, 1),
    "bcc": (bulk("Fe", cubic=True) * (1, 2, 3), 1, 1),
    "hcp": (bulk("Ti") * (2, 2, 1), 2, 1),
    "diamond": (bulk("Si", cubic=True) * (2, 1, 1), 2, 1),
    "rock salt": (bulk("NaCl", "rocksalt", a=5.6, cubic=True) * (2, 1, 1), 2, 2),
    "primitive": (bulk("Cu"), 1, 1),
}


def distances(atoms: Atoms) -> np.ndarray:
    """From the first atom of the first element, growing, up to 6 A."""
    (sender, receiver), shifts = neighbor_list(atoms.positions, atoms.cell.array, atoms.pbc, 6.0)
    own = sender == int(np.argmin(atoms.numbers))
    vectors = atoms.positions[receiver] - atoms.positions[sender] + shifts @ atoms.cell.array
    return np.sort(np.linalg.norm(vectors[own], axis=1))


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_smallest_cell_is_found_and_is_the_same_crystal(name: str) -> None:
    crystal, size, sites = CRYSTALS[name]
    shuffled = crystal[np.random.default_rng(0).permutation(len(crystal))]
    shaken = shuffled.copy()
    shaken.rattle(0.002, seed=1)
    found = primitive_cell(shaken)
    assert len(found) == size
    assert found.get_volume() / size == pytest.approx(crystal.get_volume() / len(crystal), rel=5e-3)
    assert np.linalg.det(found.cell.array) > 0
    assert num_distinct_sites(found) == sites
    exact = primitive_cell(shuffled)
    wanted, got = distances(crystal), distances(exact)
    np.testing.assert_allclose(got, wanted, atol=1e-8)


def test_the_axes_stay_as_they_are() -> None:
    found = primitive_cell(bulk("Cu", cubic=True) * (2, 2, 2))
    # Every vector of the primitive cell joins atoms of the conventional one.
    np.testing.assert_allclose(np.abs(found.cell.array / (3.61 / 2)).round(6) % 1, 0, atol=1e-6)
    np.testing.assert_allclose(found.cell.lengths(), 3.61 / np.sqrt(2))


def test_equal_vectors_make_equal_angles() -> None:
    angles = primitive_cell(bulk("Cu", cubic=True)).cell.angles()
    np.testing.assert_allclose(angles, angles[0])


def test_a_vacancy_has_no_smaller_cell() -> None:
    defect = bulk("Cu", cubic=True) * (2, 2, 2)
    del defect[5]
    assert len(primitive_cell(defect)) == 31
    assert num_distinct_sites(defect) > 1


def test_a_molecule_has_no_cell() -> None:
    with pytest.raises(DataError, match="three periodic directions"):
        primitive_cell(molecule("H2O"))
