"""Pools of processes and threads."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from clients.guide import snippets

from potentials.potential import PotentialCalculator


def _structures() -> list[Atoms]:
    atoms = ase.io.read("crystal.xyz")
    structures = []
    for seed in range(12):
        structures.append(atoms.repeat((1 + seed % 2, 1, 1)))
        structures[-1].rattle(0.1, seed=seed)
    return structures


def _expected(structures: list[Atoms]) -> list[np.ndarray]:
    return [PotentialCalculator("copper.potential").get_forces(atoms.copy()) for atoms in structures]


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_a_pool_of_processes(folder: Path, method: str) -> None:
    """A calculator that has computed goes there, and atoms that carry one."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"processes cannot be started by {method} here")
    structures = _structures()
    expected = _expected(structures)
    calculator = PotentialCalculator("copper.potential")
    calculator.get_forces(structures[0].copy())
    for atoms in structures[:2]:
        atoms.calc = calculator
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        found = list(pool.map(calculator.get_forces, structures[2:], chunksize=5, timeout=120))
        carried = list(pool.map(Atoms.get_forces, structures[:2], timeout=120))
    for one, other in zip([*carried, *found], expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
def test_a_pool_of_threads(folder: Path, shared: bool) -> None:
    """Four threads with one calculator, or with one each for the same potential."""
    structures = _structures()
    expected = _expected(structures)
    first = PotentialCalculator("copper.potential")
    own = threading.local()

    def start() -> None:
        own.calculator = first if shared else PotentialCalculator(first.potential)

    def compute(number: int) -> np.ndarray:
        return own.calculator.get_forces(structures[number % 12].copy())

    with ThreadPoolExecutor(4, initializer=start) as pool:
        for number, forces in enumerate(pool.map(compute, range(240))):
            np.testing.assert_allclose(forces, expected[number % 12], atol=1e-12)


def test_the_snippet(folder: Path) -> None:
    (program,) = snippets("Pools")
    Path("program.py").write_text(f"{program}    print(*map(repr, map(float, energies)))\n")
    output = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, timeout=180)
    assert output.returncode == 0, output.stderr
    calculator = PotentialCalculator("copper.potential")
    for seed, energy in enumerate(output.stdout.split()):
        atoms = ase.io.read("crystal.xyz")
        atoms.rattle(0.1, seed=seed)
        assert float(energy) == pytest.approx(calculator.get_potential_energy(atoms), abs=1e-12)
    assert seed == 3
