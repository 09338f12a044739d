"""A few labeled frames, and the command line run in this process."""

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner, Result

from potentials.cli.main import app

Potentials = Callable[..., Result]


@pytest.fixture
def potentials() -> Potentials:
    """Run `potentials ARGUMENTS` and keep what it printed."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def methanol_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty rattled molecules and the isolated atoms, labeled by EMT, under ASE's own keys."""
    frames = [_labeled(molecule("CH3OH"), seed) for seed in range(30)]
    for symbol in ("H", "C", "O"):
        frames.append(_labeled(Atoms(symbol), None))
        frames[-1].info["config_type"] = "IsolatedAtom"
    file = tmp_path_factory.mktemp("methanol") / "methanol.xyz"
    ase.io.write(file, frames)
    return file


@pytest.fixture(scope="session")
def aluminium_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four periodic cells with energy, forces and stress under ASE's own keys."""
    frames = [_labeled(bulk("Al", cubic=True), seed, stress=True) for seed in range(24)]
    file = tmp_path_factory.mktemp("aluminium") / "al.xyz"
    ase.io.write(file, frames)
    return file


def _labeled(atoms: Atoms, seed: int | None, stress: bool = False) -> Atoms:
    if seed is not None:
        atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=(len(atoms), 3))
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if stress:
        labels["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms
