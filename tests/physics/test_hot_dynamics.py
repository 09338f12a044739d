"""Hot simulations that hold together, and those that fail in each way."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from morse_family import R0, morse_potential

from potentials.physics.hot_dynamics import HotRun, hot_run, watched_bonds
from potentials.potential import PotentialCalculator
from potentials.simulation import MDSettings


def run(atoms: Atoms, epsilon: float = 0.3429, temperature: float = 500.0, steps: int = 200) -> HotRun:
    settings = MDSettings("langevin", temperature=temperature, timestep=1.0, steps=steps, friction=0.02, seed=1)
    calculator = PotentialCalculator(morse_potential(epsilon=epsilon), compiled=False)
    return hot_run(calculator, atoms, settings, {"Cu-Cu": 2.2})


def test_a_crystal_holds_together() -> None:
    found = run(bulk("Cu", a=3.56, cubic=True) * (2, 2, 2))
    assert found.failure is None
    assert found.time == pytest.approx(0.2)
    assert 150 < found.temperature < 900
    assert len(found.structures) == 41
    assert found.watched_bonds == 0
    np.testing.assert_array_equal(found.structures[-1].positions, found.last.positions)


def test_a_bond_that_breaks_is_told() -> None:
    # Atoms that repel each other.
    found = run(Atoms("O2", [[0, 0, 0], [0, 0, 1.4]]), epsilon=0.02, temperature=3000.0, steps=2000)
    assert found.failure is not None
    assert "O0-O1 broke" in found.failure
    assert found.time < 2.0


def test_atoms_that_fall_into_each_other_are_told() -> None:
    # A negative well depth turns repulsion into attraction.
    found = run(Atoms("Cu2", [[0, 0, 0], [0, 0, 0.9 * R0]]), epsilon=-0.3429, steps=2000)
    assert found.failure is not None
    assert "Cu-Cu are" in found.failure or "diverged" in found.failure


def test_what_is_not_finite_is_told() -> None:
    found = run(bulk("Cu", a=3.56, cubic=True), epsilon=float("nan"))
    assert found.failure is not None
    assert "not finite" in found.failure


def test_bonds_of_molecules_are_watched_and_those_of_networks_and_metals_are_not() -> None:
    assert len(watched_bonds(molecule("CH3CH2OH"))[0]) == 8
    liquid = molecule("H2O", cell=[6.0] * 3, pbc=True) * (2, 2, 1)
    assert len(watched_bonds(liquid)[0]) == 8
    assert len(watched_bonds(bulk("Si", cubic=True))[0]) == 0
    assert len(watched_bonds(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]]))[0]) == 0
    assert len(watched_bonds(Atoms("Ar2", [[0, 0, 0], [0, 0, 4.0]]))[0]) == 0
