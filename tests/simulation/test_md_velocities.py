import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

from potentials.simulation.md_velocities import degrees_of_freedom, draw_velocities, kinetic_temperature


def test_momentum_and_rotation_are_zero_and_the_temperature_exact() -> None:
    atoms = molecule("CH3CH2OH")
    draw_velocities(atoms, 350.0, np.random.default_rng(0))
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(atoms.get_angular_momentum(), 0, atol=1e-10)
    assert 2 * atoms.get_kinetic_energy() / units.kB / (3 * 9 - 6) == pytest.approx(350.0)


def test_a_crystal_keeps_what_looks_like_rotation() -> None:
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    draw_velocities(atoms, 350.0, np.random.default_rng(0))
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-12)
    assert np.abs(atoms.get_angular_momentum()).max() > 1
    assert 2 * atoms.get_kinetic_energy() / units.kB / (3 * 32 - 3) == pytest.approx(350.0)


def test_velocities_are_maxwell_boltzmann() -> None:
    """Equipartition between light and heavy atoms, and the normal distribution's fourth moment."""
    atoms = Atoms("HCu" * 4000, positions=np.random.default_rng(1).uniform(0, 100, (8000, 3)), cell=[100] * 3, pbc=True)
    draw_velocities(atoms, 300.0, np.random.default_rng(2))
    reduced = atoms.get_momenta() / np.sqrt(atoms.get_masses() * units.kB * 300.0)[:, None]
    for species in (reduced[::2], reduced[1::2]):  # 12000 numbers each: the variance is known to 1.3 %
        assert (species**2).mean() == pytest.approx(1.0, abs=0.05)
        assert (species**4).mean() == pytest.approx(3.0, abs=0.35)


def test_seeds() -> None:
    drawn = []
    for seed in (3, 3, 4):
        atoms = molecule("CH3CH2OH")
        draw_velocities(atoms, 300.0, np.random.default_rng(seed))
        drawn.append(atoms.get_momenta())
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_fixed_atoms_stay() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixAtoms([0]))
    draw_velocities(atoms, 300.0, np.random.default_rng(0))
    assert np.array_equal(atoms.get_momenta()[0], np.zeros(3))
    assert kinetic_temperature(atoms, 9) == pytest.approx(300.0)


@pytest.mark.parametrize(
    ("atoms", "nve", "thermostat"),
    [
        (bulk("Cu", cubic=True), 9, 12),
        (molecule("H2O"), 3, 9),
        (molecule("CO2"), 4, 9),
        (molecule("N2"), 1, 6),
        (Atoms("Cu"), 0, 3),
    ],
    ids=["crystal", "molecule", "linear", "dimer", "atom"],
)
def test_degrees_of_freedom(atoms: Atoms, nve: int, thermostat: int) -> None:
    assert degrees_of_freedom(atoms, "nve") == nve
    assert degrees_of_freedom(atoms, "langevin") == thermostat
    draw_velocities(atoms, 300.0, np.random.default_rng(0))
    assert kinetic_temperature(atoms, nve) == (pytest.approx(300.0) if nve else 0.0)
    if not atoms.pbc.any():
        np.testing.assert_allclose(atoms.get_angular_momentum(), 0, atol=1e-10)
