"""Relaxation of copper crystals and clusters with Morse pairs."""

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms
from morse_family import R0, REFERENCE_ENERGIES, morse_oracle, morse_potential
from scipy.optimize import minimize_scalar

from potentials.errors import SimulationError, UnknownElementError
from potentials.potential import PotentialCalculator
from potentials.simulation import RelaxationResult, RelaxationSettings, relax


def run(atoms: Atoms, **settings: object) -> RelaxationResult:
    return relax(PotentialCalculator(morse_potential()), atoms, RelaxationSettings(**settings))


def rattled_crystal(lattice_constant: float = 3.5639, length: float = 0.15) -> Atoms:
    atoms = bulk("Cu", a=lattice_constant, cubic=True) * (2, 2, 2)
    atoms.positions += np.random.default_rng(0).normal(scale=length, size=atoms.positions.shape)
    return atoms


def enthalpy_per_atom(lattice_constant: float, pressure: float = 0.0) -> float:
    """Of the perfect crystal, by ASE's Morse potential."""
    atoms = bulk("Cu", a=lattice_constant)
    atoms.calc = morse_oracle()
    return atoms.get_potential_energy() + pressure * units.GPa * atoms.get_volume()


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "fire"])
def test_rattled_crystal_returns_to_the_perfect_one(optimizer: str) -> None:
    atoms = rattled_crystal()
    before = atoms.copy()
    result = run(atoms, optimizer=optimizer, fmax=1e-4)
    assert result.converged
    assert result.fmax <= 1e-4
    assert result.steps > 0
    perfect = 32 * (enthalpy_per_atom(3.5639) + REFERENCE_ENERGIES["Cu"])
    assert result.energy_after == pytest.approx(perfect, abs=1e-6)
    assert result.energy_before > perfect + 0.1
    assert atoms == before
    assert atoms.calc is None


def test_dimer_has_the_closed_form_distance_and_energy() -> None:
    result = run(Atoms("CuO", [[0, 0, 0], [0, 0, 2.5]]), fmax=1e-6)
    assert result.atoms.get_distance(0, 1) == pytest.approx(R0, abs=1e-6)
    assert result.energy_after == pytest.approx(-0.3429 + sum(REFERENCE_ENERGIES.values()))
    assert np.isnan([result.volume_before, result.volume_after, result.largest_stress]).all()


@pytest.mark.parametrize("pressure", [None, 5.0])
def test_cell_goes_to_the_minimum_of_the_enthalpy(pressure: float | None) -> None:
    atoms = rattled_crystal(3.7, 0.05)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.02 * np.random.default_rng(1).normal(size=(3, 3))), scale_atoms=True)
    result = run(atoms, cell=True, fmax=1e-5, pressure=pressure)
    best = minimize_scalar(enthalpy_per_atom, bounds=(3.3, 3.8), args=(pressure or 0.0,), options={"xatol": 1e-8})
    assert result.converged
    assert result.volume_after / 32 == pytest.approx(best.x**3 / 4, rel=1e-5)
    assert result.volume_before == pytest.approx(atoms.get_volume())
    assert result.largest_stress < 1e-3
    stress = result.atoms.get_stress() / units.GPa
    np.testing.assert_allclose(stress, [-(pressure or 0.0)] * 3 + [0.0] * 3, atol=1e-3)


def test_too_few_steps_is_said() -> None:
    result = run(rattled_crystal(), steps=2, fmax=1e-4)
    assert not result.converged
    assert result.steps == 2
    assert result.fmax > 1e-4
    assert run(rattled_crystal(), steps=0).energy_after == result.energy_before


def test_results_constraints_and_info_stay_with_the_structure(tmp_path) -> None:
    atoms = rattled_crystal()
    atoms.info["name"] = "rattled"
    atoms.set_constraint(FixAtoms([3]))
    result = run(atoms, fmax=0.05)
    assert np.array_equal(result.atoms.positions[3], atoms.positions[3])
    assert result.converged
    # The fixed atom still feels a force; what counts, and is reported, is that on the others.
    assert result.fmax == pytest.approx(np.linalg.norm(result.atoms.get_forces(), axis=1).max())
    ase.io.write(tmp_path / "relaxed.extxyz", result.atoms)
    read = ase.io.read(tmp_path / "relaxed.extxyz")
    assert read.info["name"] == "rattled"
    assert read.get_potential_energy() == pytest.approx(result.energy_after, abs=1e-6)
    assert read.get_stress().shape == (6,)


def test_bad_input() -> None:
    with pytest.raises(SimulationError, match=r"cell requires a cell that is periodic.*Cu2 .*False, False, False"):
        run(Atoms("Cu2", [[0, 0, 0], [0, 0, 2]]), cell=True)
    with pytest.raises(UnknownElementError, match=r"Au;.*O, Cu"):
        run(bulk("Au"))
    with pytest.raises(
        SimulationError, match=r'(?s)optimizer: .*got "cg".*fmax: .*steps: .*pressure requires relaxation'
    ):
        RelaxationSettings(optimizer="cg", fmax=0.0, steps=-1, pressure=1.0)


def test_nan_energy_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calculate, calls = PotentialCalculator.calculate, iter(range(10**6))

    def failing(self: PotentialCalculator, *arguments: object) -> None:
        calculate(self, *arguments)
        if next(calls) == 3:
            self.results["energy"] = float("nan")

    monkeypatch.setattr(PotentialCalculator, "calculate", failing)
    with pytest.raises(SimulationError, match=r"step 3 of the relaxation: energy or forces are not finite"):
        run(rattled_crystal(), fmax=1e-4)
