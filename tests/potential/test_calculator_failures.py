"""What a calculator says after something went wrong: never the results of another structure, never NaN."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_stress
from families.cases import Case, case_parameters
from morse_family import morse_potential

from potentials.data.geometry import edge_pairs
from potentials.errors import DataError, SimulationError, UnknownElementError
from potentials.potential import PotentialCalculator


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.7)
    atoms.rattle(0.05, seed=1)
    return atoms


def energy_of(atoms: Atoms) -> float:
    atoms = atoms.copy()
    atoms.calc = PotentialCalculator(morse_potential())
    return atoms.get_potential_energy()


def test_after_an_error_the_next_answer_is_that_of_its_own_structure() -> None:
    calculator = PotentialCalculator(morse_potential())
    atoms = crystal()
    atoms.calc = calculator
    before = atoms.get_potential_energy()
    layer = Atoms("Cu2", [[0, 0, 0], [2.2, 0, 0]], cell=[4.4, 3, 0], pbc=[True, True, False], calculator=calculator)
    with pytest.raises(PropertyNotImplementedError, match="no volume"):
        calculator.calculate(layer, properties=["stress"])
    assert not calculator.results
    assert layer.get_potential_energy() == energy_of(layer) != before
    unknown = Atoms("Pt2", [[0, 0, 0], [0, 0, 2.5]], calculator=calculator)
    for _ in range(2):
        with pytest.raises(UnknownElementError, match="Pt"):
            unknown.get_potential_energy()
        with pytest.raises(UnknownElementError, match="Pt"):
            calculator.calculate(unknown)
    assert atoms.get_potential_energy() == before


def test_an_error_amid_the_search_leaves_no_half_of_a_neighbor_list(monkeypatch: pytest.MonkeyPatch) -> None:
    calculator = PotentialCalculator(morse_potential())
    atoms = crystal()
    atoms.calc = calculator
    atoms.get_potential_energy()
    moved = atoms.copy()
    moved.rattle(0.4, seed=2)
    moved.set_cell(1.02 * moved.cell)
    moved.calc = calculator

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("potentials.data.geometry.graph_geometry.edge_pairs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moved.get_potential_energy()
    monkeypatch.setattr("potentials.data.geometry.graph_geometry.edge_pairs", edge_pairs)
    assert moved.get_potential_energy() == energy_of(moved)


def test_nothing_was_calculated_yet() -> None:
    with pytest.raises(SimulationError, match="expected a structure; none was given"):
        PotentialCalculator(morse_potential()).calculate()


@pytest.mark.parametrize("case", case_parameters())
@pytest.mark.parametrize("compiled", [True, False])
def test_coinciding_atoms_are_named(case: Case, compiled: bool) -> None:
    """For every family: either numbers, or an error that says which atoms; and the calculator goes on."""
    calculator = PotentialCalculator(case.potential(), compiled=compiled)
    good = Atoms("HOC", [[0, 0, 0], [0, 0, 1.1], [0, 1.2, 0.1]], calculator=calculator)
    before = good.get_potential_energy()
    errors = []
    for distance in (0.0, 1e-300, 1e-12, 1e-5):
        atoms = Atoms("HOC", [[0, 0, 3], [0, 0, 0], [0, 0, distance]], calculator=calculator)
        try:
            assert np.isfinite(atoms.get_potential_energy())
            assert np.isfinite(atoms.get_forces()).all()
        except SimulationError as error:
            errors.append(str(error))
            assert not calculator.results
    assert all("atoms 1 and 2" in error for error in errors)
    # PONITA without orientations sees no directions: its energies and forces are numbers at any distance.
    assert errors or str(case) == "ponita distances"
    assert good.get_potential_energy() == before


def test_an_atom_on_its_own_image() -> None:
    atoms = Atoms("Cu", cell=[1e-9, 3, 3], pbc=True, calculator=PotentialCalculator(morse_potential()))
    with pytest.raises(DataError):
        atoms.get_potential_energy()


def test_stress_of_a_slab_is_the_derivative_of_its_energy() -> None:
    slab = fcc111("Cu", (1, 2, 3), a=3.7, vacuum=4, orthogonal=True)
    slab.rattle(0.1, seed=3)
    assert slab.pbc.tolist() == [True, True, False]
    slab.calc = PotentialCalculator(morse_potential())
    assert "stress" not in slab.calc.results
    stress = slab.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(slab, eps=1e-5), atol=1e-8)
    assert np.abs(stress[:2]).max() > 1e-4


def test_stresses_of_atoms_add_up_to_the_stress() -> None:
    atoms = crystal()
    atoms.calc = PotentialCalculator(morse_potential())
    stresses = atoms.get_stresses()
    assert stresses.shape == (len(atoms), 6)
    np.testing.assert_allclose(stresses.sum(axis=0), atoms.get_stress(), atol=1e-14)
    # Pairs share their virial in halves, so an atom far from all others has none.
    far = Atoms("Cu3", [[0, 0, 0], [0, 0, 2.2], [0, 0, 15]], cell=[30, 30, 30], calculator=atoms.calc)
    np.testing.assert_array_equal(far.get_stresses()[2], np.zeros(6))
