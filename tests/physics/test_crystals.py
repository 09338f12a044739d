"""The crystal of Morse atoms, whose lattice constant, bulk modulus and elastic constants are sums over the lattice."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from morse_family import REFERENCE_ENERGIES, morse_potential
from morse_pairs import fcc_bulk_modulus, fcc_elastic, fcc_energy, fcc_lattice_constant

from potentials.errors import SimulationError
from potentials.physics.crystals import (
    ElasticConstants,
    elastic_constants,
    equation_of_state,
    relaxed_crystal,
)
from potentials.potential import PotentialCalculator


@pytest.fixture(scope="module")
def calculator() -> PotentialCalculator:
    return PotentialCalculator(morse_potential(), compiled=False)


@pytest.fixture(scope="module")
def crystal(calculator: PotentialCalculator) -> Atoms:
    start = bulk("Cu", a=3.65, cubic=True) * (2, 1, 1)
    start.rattle(0.01, seed=0)
    return relaxed_crystal(calculator, start)


def test_the_relaxed_crystal_is_the_primitive_cell_of_least_energy(crystal: Atoms) -> None:
    assert len(crystal) == 1
    assert (4 * crystal.get_volume()) ** (1 / 3) == pytest.approx(fcc_lattice_constant(), rel=2e-5)


def test_the_equation_of_state_is_that_of_lattice_sums(calculator: PotentialCalculator, crystal: Atoms) -> None:
    curve = equation_of_state(calculator, crystal, largest=0.01, points=7)
    lattice_constants = (4 * curve.volumes) ** (1 / 3)
    expected = [fcc_energy(a) + REFERENCE_ENERGIES["Cu"] for a in lattice_constants]
    np.testing.assert_allclose(curve.energies, expected, atol=1e-6)
    assert curve.volume == pytest.approx(fcc_lattice_constant() ** 3 / 4, rel=1e-4)
    assert curve.bulk_modulus == pytest.approx(fcc_bulk_modulus() / units.GPa, rel=0.01)
    assert curve.deviation < 1e-5
    assert curve(np.array([curve.volume]))[0] == pytest.approx(curve.energy)


def test_elastic_constants_are_those_of_lattice_sums(calculator: PotentialCalculator, crystal: Atoms) -> None:
    found = elastic_constants(calculator, crystal, strain=1e-3)
    # The primitive cell lies in space as the cubic one did, so the axes are those of the cube.
    expected = np.zeros((6, 6))
    expected[:3, :3] = fcc_elastic((0, 0, 1, 1)) / units.GPa
    np.fill_diagonal(expected[:3, :3], fcc_elastic((0, 0, 0, 0)) / units.GPa)
    np.fill_diagonal(expected[3:, 3:], fcc_elastic((0, 1, 0, 1)) / units.GPa)
    np.testing.assert_allclose(found.stiffness, expected, atol=0.5)
    assert found.stable
    assert found.asymmetry < 0.5
    assert found.bulk[0] == pytest.approx(fcc_bulk_modulus() / units.GPa, rel=5e-3)


def test_a_larger_cell_has_the_same_constants(calculator: PotentialCalculator, crystal: Atoms) -> None:
    one = elastic_constants(calculator, crystal).stiffness
    cubic = bulk("Cu", a=(4 * crystal.get_volume()) ** (1 / 3), cubic=True)
    np.testing.assert_allclose(elastic_constants(calculator, cubic).stiffness, one, atol=0.2)


def cubic(c11: float, c12: float, c44: float) -> ElasticConstants:
    stiffness = np.zeros((6, 6))
    stiffness[:3, :3] = c12
    np.fill_diagonal(stiffness[:3, :3], c11)
    np.fill_diagonal(stiffness[3:, 3:], c44)
    return ElasticConstants(stiffness, 0.0)


def test_moduli_of_a_cubic_crystal_have_their_closed_forms() -> None:
    constants = cubic(168.4, 121.4, 75.4)  # copper
    assert constants.bulk == pytest.approx([(168.4 + 2 * 121.4) / 3] * 3)
    voigt, reuss = (47.0 + 3 * 75.4) / 5, 5 * 47.0 * 75.4 / (4 * 75.4 + 3 * 47.0)
    assert constants.shear == pytest.approx([voigt, reuss, (voigt + reuss) / 2])
    bulk_modulus, shear = constants.bulk[2], constants.shear[2]
    assert constants.young == pytest.approx(2 * shear * (1 + constants.poisson))
    assert constants.young == pytest.approx(3 * bulk_modulus * (1 - 2 * constants.poisson))
    assert constants.stable


@pytest.mark.parametrize("values", [(100.0, 120.0, 50.0), (100.0, 50.0, -1.0), (100.0, -60.0, 50.0)])
def test_borns_criteria(values: tuple[float, float, float]) -> None:
    assert not cubic(*values).stable


class Nothing(Calculator):
    """No forces on anything."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 (as in ASE)

    def calculate(self, atoms: Atoms, properties: list[str], system_changes: list[str] = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}


def test_a_glass_is_no_crystal() -> None:
    positions = np.random.default_rng(0).uniform(0, 6.6, (24, 3))
    with pytest.raises(SimulationError, match="not a crystal: it has 24 inequivalent sites"):
        relaxed_crystal(Nothing(), Atoms("Cu24", positions, cell=[6.6] * 3, pbc=True))


def test_what_is_not_periodic_is_no_crystal(calculator: PotentialCalculator) -> None:
    with pytest.raises(SimulationError, match="periodic in three directions"):
        relaxed_crystal(calculator, molecule("O2"))


def test_a_curve_without_minimum_is_refused(calculator: PotentialCalculator) -> None:
    with pytest.raises(SimulationError, match="no minimum"):
        equation_of_state(calculator, bulk("Cu", a=4.2))
