"""Distances in structures where they are known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potentials.physics.distances import bond_lengths, bonds, distance_distributions, too_close


def test_the_integral_of_a_radial_distribution_is_the_number_of_neighbors() -> None:
    crystal = bulk("Cu", a=3.6, cubic=True) * (2, 2, 2)
    (name, found), *rest = distance_distributions([crystal, bulk("Cu", a=3.6)], 5.0, bins=400).items()
    assert name == "Cu-Cu"
    assert not rest
    assert found.periodic
    width = found.distances[1] - found.distances[0]
    shells = 4 * np.pi * found.distances**2 * found.density / (3.6**3 / 4) * width
    assert shells[found.distances < 3.0].sum() == pytest.approx(12, rel=1e-3)
    assert shells[(found.distances > 3.0) & (found.distances < 4.0)].sum() == pytest.approx(6, rel=1e-3)


def test_atoms_anywhere_have_a_radial_distribution_of_one() -> None:
    rng = np.random.default_rng(0)
    gas = [Atoms("Ar40Kr20", rng.uniform(0, 12, (60, 3)), cell=[12] * 3, pbc=True) for _ in range(200)]
    found = distance_distributions(gas, 6.0, bins=12)
    assert set(found) == {"Ar-Ar", "Ar-Kr", "Kr-Kr"}
    np.testing.assert_allclose(found["Ar-Kr"].density[4:], 1, atol=0.03)
    np.testing.assert_allclose(found["Ar-Ar"].density[4:], 39 / 40, atol=0.03)


def test_distances_of_molecules_have_a_density_of_integral_one() -> None:
    water = molecule("H2O")
    found = distance_distributions([water] * 3, 4.0, bins=400)
    assert not found["H-O"].periodic
    width = found["H-O"].distances[0] * 2
    assert (found["H-O"].density * width).sum() == pytest.approx(1)
    at = found["H-H"].distances[np.argmax(found["H-H"].density)]
    assert at == pytest.approx(water.get_distance(1, 2), abs=width)


def test_bond_lengths() -> None:
    short, long = molecule("H2O"), molecule("H2O")
    long.positions *= 1.02
    found = bond_lengths([short, long])
    assert set(found) == {"H-O"}
    length = short.get_distance(0, 1)
    assert found["H-O"].count == 4
    assert found["H-O"].mean == pytest.approx(1.01 * length)
    assert found["H-O"].std == pytest.approx(0.01 * length)


def test_bonds_across_the_face_of_a_cell_are_bonds() -> None:
    atoms = Atoms("HF", [[0.1, 5, 5], [9.2, 5, 5]], cell=[10] * 3, pbc=True)
    first, second, lengths = bonds(atoms)
    assert {int(first[0]), int(second[0])} == {0, 1}
    assert lengths == pytest.approx([0.9])


def test_pairs_that_are_too_close_are_named() -> None:
    water = molecule("H2O")
    assert too_close(water, {"H-H": 1.4, "H-O": 0.9, "O-O": 1.0}) is None
    assert too_close(water, {"H-H": 1.6, "H-O": 0.9}) == "two H atoms are 1.53 A apart"
    assert too_close(water, {"H-O": 1.0}) == "H and O atoms are 0.97 A apart"
