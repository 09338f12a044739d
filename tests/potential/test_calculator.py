"""The calculator against ASE's own Morse potential and against finite differences."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from morse_family import REFERENCE_ENERGIES, morse_oracle, morse_potential, save_morse

from potentials.errors import ModelFileError, SimulationError, UnknownElementError
from potentials.potential import PotentialCalculator


def rattled(atoms: Atoms, length: float = 0.1, seed: int = 0) -> Atoms:
    atoms.positions += np.random.default_rng(seed).normal(scale=length, size=atoms.positions.shape)
    return atoms


def left_handed() -> Atoms:
    atoms = rattled(bulk("Cu", a=3.7, orthorhombic=True) * (2, 2, 1))
    atoms.set_cell(np.asarray(atoms.cell)[[1, 0, 2]] + 0.2 * np.eye(3)[::-1])
    assert np.linalg.det(atoms.cell) < 0
    return atoms


STRUCTURES = {
    "crystal": rattled(bulk("Cu", cubic=True)),
    "left-handed": left_handed(),
    "cluster": rattled(Atoms("Cu4O", 2.5 * np.vstack([np.eye(3), [[0, 0, 0], [1, 1, 1]]]))),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_agrees_with_ase(name: str) -> None:
    atoms = STRUCTURES[name].copy()
    atoms.calc = PotentialCalculator(morse_potential())
    oracle = atoms.copy()
    oracle.calc = morse_oracle()
    isolated = np.array([REFERENCE_ENERGIES[symbol] for symbol in atoms.symbols])
    np.testing.assert_allclose(atoms.get_potential_energies(), oracle.get_potential_energies() + isolated, rtol=1e-12)
    np.testing.assert_allclose(atoms.get_potential_energy(), oracle.get_potential_energy() + isolated.sum(), rtol=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), oracle.get_forces(), atol=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    if atoms.pbc.all():
        np.testing.assert_allclose(atoms.get_stress(), oracle.get_stress(), atol=1e-13)


@pytest.mark.parametrize("name", STRUCTURES)
def test_forces_and_stress_are_derivatives_of_the_energy(name: str) -> None:
    atoms = STRUCTURES[name].copy()
    atoms.calc = PotentialCalculator(morse_potential(), skin=0.3)
    numbers = range(min(3, len(atoms)))
    numerical = calculate_numerical_forces(atoms, eps=1e-4, iatoms=numbers)
    np.testing.assert_allclose(atoms.get_forces()[:3], numerical, atol=1e-6)
    if atoms.pbc.all():
        np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-8)


def test_types_and_one_pass() -> None:
    atoms = STRUCTURES["crystal"].copy()
    calculator = PotentialCalculator(morse_potential("float32"))
    atoms.calc = calculator
    assert type(atoms.get_potential_energy()) is float
    assert set(calculator.results) == {"energy", "free_energy", "energies", "forces", "stress"}
    for name, shape in (("energies", (4,)), ("forces", (4, 3)), ("stress", (6,))):
        assert calculator.results[name].dtype == np.float64
        assert calculator.results[name].shape == shape
    assert calculator.num_neighbor_searches == 1


def test_same_results_whatever_was_calculated_before() -> None:
    """Moving in small steps, wrapping, changing the cell: always as a calculator that sees the structure first."""
    rng = np.random.default_rng(5)
    atoms = STRUCTURES["crystal"].copy()
    atoms.calc = PotentialCalculator(morse_potential())
    for step in range(20):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        if step % 5 == 4:
            atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.01, size=(3, 3))), scale_atoms=True)
            atoms.wrap()
        fresh = atoms.copy()
        fresh.calc = PotentialCalculator(morse_potential())
        assert atoms.get_potential_energy() == fresh.get_potential_energy()
        assert np.array_equal(atoms.get_forces(), fresh.get_forces())
        assert np.array_equal(atoms.get_stress(), fresh.get_stress())


def test_calculates_once_for_one_structure_and_again_for_the_smallest_change() -> None:
    atoms = STRUCTURES["crystal"].copy()
    calculator = atoms.calc = PotentialCalculator(morse_potential())
    calculations = []
    calculator.compiled_potential.register_forward_hook(lambda *_: calculations.append(1))
    for _ in range(2):
        atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energies()
    atoms.set_initial_charges(np.ones(len(atoms)))
    atoms.get_forces()
    assert len(calculations) == 1
    atoms.positions[2, 1] = np.nextafter(atoms.positions[2, 1], np.inf)
    atoms.get_forces()
    assert len(calculations) == 2


def test_isolated_atoms_have_the_reference_energy() -> None:
    calculator = PotentialCalculator(morse_potential())
    atom = Atoms("Cu", calculator=calculator)
    assert atom.get_potential_energy() == REFERENCE_ENERGIES["Cu"]
    assert np.array_equal(atom.get_forces(), np.zeros((1, 3)))
    far = Atoms("OCu", [[0, 0, 0], [0, 0, 30]], cell=[60, 60, 60], pbc=True, calculator=calculator)
    assert far.get_potential_energy() == sum(REFERENCE_ENERGIES.values())
    assert np.array_equal(far.get_forces(), np.zeros((2, 3)))
    assert np.array_equal(far.get_stress(), np.zeros(6))


def test_stress_of_a_molecule_does_not_exist() -> None:
    atoms = STRUCTURES["cluster"].copy()
    atoms.calc = PotentialCalculator(morse_potential())
    with pytest.raises(PropertyNotImplementedError, match=r"cell of Cu4O has no volume.*False"):
        atoms.get_stress()
    atoms.set_cell([10, 10, 0])
    atoms.pbc = [True, True, False]
    with pytest.raises(PropertyNotImplementedError, match="has no volume"):
        atoms.get_stress()
    atoms.get_forces()


def test_unknown_element_names_it_and_what_is_known() -> None:
    atoms = molecule("CH3CH2OH")
    atoms.calc = PotentialCalculator(morse_potential())
    with pytest.raises(UnknownElementError, match=r"C, H;.*O, Cu"):
        atoms.get_potential_energy()


def test_from_a_model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_morse(tmp_path / "morse.potential", monkeypatch)
    atoms, same = STRUCTURES["crystal"].copy(), STRUCTURES["crystal"].copy()
    atoms.calc, same.calc = PotentialCalculator(str(path)), PotentialCalculator(morse_potential())
    assert atoms.get_potential_energy() == same.get_potential_energy()
    assert atoms.calc.fingerprint() == same.calc.fingerprint()


def test_fingerprint_tells_potentials_apart() -> None:
    known = PotentialCalculator(morse_potential()).fingerprint()
    assert known == PotentialCalculator(morse_potential(), skin=1.0).fingerprint()
    assert known != PotentialCalculator(morse_potential(epsilon=0.35)).fingerprint()
    assert known != PotentialCalculator(morse_potential("mixed")).fingerprint()


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"missing\.potential"):
        PotentialCalculator(tmp_path / "missing.potential")
    with pytest.raises(SimulationError, match=r'expected "cpu", .*got "gpu"'):
        PotentialCalculator(morse_potential(), device="gpu")
