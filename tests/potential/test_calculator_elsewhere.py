"""Calculators in other processes, in threads, as copies, and under other settings of PyTorch."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from families.cases import Case, cases
from slow_cases import slow_but

import potentials
from potentials.errors import SimulationError
from potentials.evaluation.predict import predict
from potentials.potential import PotentialCalculator

FAMILIES = {case.family: case for case in cases()}


def ethanols(number: int) -> list[Atoms]:
    structures = []
    for seed in range(number):
        atoms = molecule("CH3CH2OH")
        atoms.rattle(0.05, seed=seed)
        structures.append(atoms)
    return structures


def results_of(task: tuple[PotentialCalculator, Atoms]) -> tuple[float, np.ndarray]:
    calculator, atoms = task
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_potential_energy(), atoms.get_forces()


def same(found: tuple[float, np.ndarray], expected: tuple[float, np.ndarray]) -> bool:
    return found[0] == expected[0] and np.array_equal(found[1], expected[1])


@pytest.mark.parametrize("case", slow_but(FAMILIES.values(), "mace invariant"))
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_give_the_same_bits(case: Case, copied: object) -> None:
    structures = [Atoms("HOC", [[0, 0, 0], [0, 0, 1.1], [0, 1.2, z]]) for z in (0.1, 0.3)]
    calculator = PotentialCalculator(case.potential("float32"))
    fresh = copied(calculator)  # type: ignore[operator]
    expected = [results_of((calculator, atoms)) for atoms in structures]
    used = copied(calculator)  # type: ignore[operator]
    for other in (fresh, used):
        assert all(same(results_of((other, atoms)), want) for atoms, want in zip(structures, expected, strict=True))
        assert same(results_of((calculator, structures[0])), expected[0])


@pytest.mark.parametrize("case", slow_but(FAMILIES.values(), "mace invariant"))
def test_models_pickle_too(case: Case) -> None:
    """As modules do, into a process that has made no table: the one way that a compiled potential goes."""
    model = case.potential().model
    code = (
        "import pickle, sys, potentials.models; model = pickle.load(sys.stdin.buffer); "
        "print(sum(parameter.double().sum().item() for parameter in model.parameters()).hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(model), capture_output=True, check=True)
    expected = sum(parameter.double().sum().item() for parameter in model.parameters())
    assert done.stdout.decode().strip() == expected.hex()


@pytest.mark.parametrize("method", slow_but(["spawn", "fork", "forkserver"], "fork"))
@pytest.mark.parametrize("threads", slow_but([1, 2], "1"))
def test_processes(method: str, threads: int) -> None:
    """Also after this process has computed on several threads, which forked ones do not have."""
    calculator = potentials.load("builtin:ethanol").calculator()
    tasks = [(calculator, atoms) for atoms in ethanols(4)]
    earlier = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.ones(10**6).add_(1)
        expected = [results_of(task) for task in tasks]
        found = results_in_processes(method, tasks)
    finally:
        torch.set_num_threads(earlier)
    assert all(same(*pair) for pair in zip(found, expected, strict=True))


def results_in_processes(method: str, tasks: list[tuple[PotentialCalculator, Atoms]]) -> list[tuple[float, np.ndarray]]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        return list(pool.map(results_of, tasks, timeout=120))


def test_atoms_with_a_calculator_pickle() -> None:
    (atoms,) = ethanols(1)
    atoms.calc = potentials.load("builtin:ethanol").calculator()
    energy = atoms.get_potential_energy()
    unpickled = pickle.loads(pickle.dumps(atoms))
    assert unpickled.get_potential_energy() == energy
    unpickled.rattle(0.01)
    assert unpickled.get_potential_energy() != energy


def test_a_pickled_potential_stays_what_it_was() -> None:
    potential = FAMILIES["mace"].potential("mixed").train()
    next(potential.parameters()).requires_grad_(False)
    unpickled = pickle.loads(pickle.dumps(potential))
    assert unpickled.fingerprint() == potential.fingerprint()
    assert unpickled.training
    assert [p.requires_grad for p in unpickled.parameters()] == [p.requires_grad for p in potential.parameters()]


@pytest.mark.parametrize("shared", ["calculator", "potential"])
def test_threads(shared: str) -> None:
    """One calculator in several threads, or several calculators of one potential: each answers for its structure."""
    potential = potentials.load("builtin:ethanol")
    structures = ethanols(4)
    one = potential.calculator()
    calculators = [one if shared == "calculator" else potential.calculator() for _ in structures]
    expected = [results_of((potential.calculator(), atoms)) for atoms in structures]

    def often(task: tuple[PotentialCalculator, Atoms]) -> list[tuple[float, np.ndarray]]:
        atoms = task[1].copy()
        atoms.calc = task[0]
        found = []
        for _ in range(40):
            energy = atoms.get_potential_energy()
            found.append((energy, atoms.get_forces()))
        return found

    with ThreadPoolExecutor(4) as pool:
        for found, want in zip(pool.map(often, zip(calculators, structures, strict=True)), expected, strict=True):
            assert all(same(each, want) for each in found)


def test_a_second_calculator_is_not_compiled_again() -> None:
    potential = potentials.load("builtin:ethanol")
    first, second = potential.calculator(), potential.calculator()
    assert first.compiled_potential is second.compiled_potential
    with torch.no_grad():
        next(potential.parameters()).mul_(1.01)
    changed = potential.calculator()
    assert changed.compiled_potential is not first.compiled_potential
    (atoms,) = ethanols(1)
    assert results_of((changed, atoms))[0] != results_of((first, atoms))[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_default_types(dtype: torch.dtype) -> None:
    (atoms,) = ethanols(1)
    expected = results_of((potentials.load("builtin:ethanol").calculator(), atoms))
    torch.set_default_dtype(dtype)
    try:
        found = results_of((potentials.load("builtin:ethanol").calculator(), atoms))
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(found, expected)


@pytest.mark.parametrize("case", slow_but(FAMILIES.values(), "mace invariant", "schnet bessel"))
@pytest.mark.parametrize("compiled", [True, False])
def test_surroundings_do_not_matter(case: Case, compiled: bool) -> None:
    """Inference mode, autocast and a default device of the caller change nothing, and nothing is left of them."""
    atoms = Atoms("HOC", [[0, 0, 0], [0, 0, 1.1], [0, 1.2, 0.1]], cell=[3, 3, 3], pbc=True)
    potential = case.potential("float32")
    calculator = PotentialCalculator(potential, compiled=compiled)
    expected = results_of((calculator, atoms))
    surroundings = {
        "inference": torch.inference_mode(),
        "no gradients": torch.no_grad(),
        "autocast": torch.autocast("cpu", dtype=torch.bfloat16),
        "device": torch.device("meta"),
    }
    for name, surrounding in surroundings.items():
        made = PotentialCalculator(case.potential("float32"), compiled=compiled)
        with surrounding:
            for each in (made, calculator):
                each.reset()
                assert same(results_of((each, atoms)), expected), name
            (predicted,) = predict(potential, [atoms])
        np.testing.assert_allclose(predicted.get_forces(), expected[1], atol=1e-5 * np.abs(expected[1]).max())
        assert same(results_of((made, atoms)), expected), name


def test_loaded_in_inference_mode() -> None:
    (atoms,) = ethanols(1)
    with torch.inference_mode():
        potential = potentials.load("builtin:ethanol")
    assert same(
        results_of((potential.calculator(), atoms)),
        results_of((potentials.load("builtin:ethanol").calculator(), atoms)),
    )


@pytest.mark.parametrize("case", slow_but(FAMILIES.values(), "mace invariant"))
def test_precision(case: Case) -> None:
    """A calculator in another precision is as good as a potential made in it; the one handed over stays."""
    atoms = Atoms("HOC", [[0, 0, 0], [0, 0, 1.1], [0, 1.2, 0.1]])
    exact, rough = case.potential("float64"), case.potential("float64").with_precision("float32")
    assert PotentialCalculator(exact).potential is exact
    energy = results_of((PotentialCalculator(exact), atoms))[0]
    for given in ("float32", torch.float32, "mixed"):
        calculator = PotentialCalculator(exact, precision=given)
        assert next(calculator.potential.parameters()).dtype == torch.float32
        assert calculator.parameters["precision"] == str(given).removeprefix("torch.")
        assert abs(results_of((calculator, atoms))[0] - energy) < 1e-4
    assert next(exact.parameters()).dtype == torch.float64
    widened = PotentialCalculator(rough, precision="float64")
    assert abs(results_of((widened, atoms))[0] - energy) < 1e-4
    with pytest.raises(SimulationError, match="expected one of float32, float64, mixed"):
        PotentialCalculator(exact, precision="half")  # type: ignore[arg-type]


def test_trajectories_and_databases_name_the_model(tmp_path: Path) -> None:
    (atoms,) = ethanols(1)
    potential = potentials.load("builtin:ethanol")
    atoms.calc = potential.calculator()
    atoms.get_forces()
    ase.io.write(tmp_path / "a.traj", atoms)
    read = ase.io.read(tmp_path / "a.traj")
    assert read.calc.name == "potentials"
    with ase.db.connect(tmp_path / "a.db") as database:
        database.write(atoms)
    row = ase.db.connect(tmp_path / "a.db").get(1)
    assert row.calculator == "potentials"
    assert row.calculator_parameters["model"] == "builtin:ethanol"
    assert row.calculator_parameters["fingerprint"] == potential.fingerprint()
    file = tmp_path / "m.potential"
    potential.save(file)
    assert PotentialCalculator(file).parameters["model"] == str(file)


def test_it_says_what_it_is() -> None:
    text = repr(potentials.load("builtin:ethanol").calculator())
    assert text.startswith("PotentialCalculator(model='builtin:ethanol'")
    assert "family='mace'" in text
    assert "precision='float32'" in text
    assert "\n" not in text


def test_charges_and_spins_are_warned_about_once() -> None:
    calculator = potentials.load("builtin:ethanol").calculator()
    (atoms,) = ethanols(1)
    atoms.calc = calculator
    atoms.info |= {"charge": 0, "spin": 1}
    atoms.get_forces()
    atoms.info["charge"] = -1
    atoms.rattle(0.01)
    with pytest.warns(UserWarning, match=r'info\["charge"\] = -1 is ignored'):
        atoms.get_forces()
    atoms.rattle(0.01)
    atoms.get_forces()


def test_big_cells_and_small_ones_in_turns() -> None:
    """Results that somebody holds are not written over by the next calculation."""
    case = FAMILIES["schnet"]
    calculator = PotentialCalculator(case.potential("float32", elements=["C"], scale=1.0, shift=0.0))
    big, small = bulk("C", cubic=True) * (4, 4, 4), bulk("C")
    big.rattle(0.05)
    held = results_of((calculator, big))
    kept = held[1].copy()
    results_of((calculator, small))
    big.rattle(0.1, seed=2)
    results_of((calculator, big))
    np.testing.assert_array_equal(held[1], kept)
