"""Potentials for tests of other programs, and what happens where such a program is not installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import ase.io
import pytest
from ase import Atoms, build
from clients.models import copper_model, untrained_model
from filelock import FileLock

from potentials.data.builtin import builtin_model_path


@pytest.fixture(scope="session")
def client() -> Callable[..., None]:
    """`client("ipi")` skips the test where ipi is not installed; in CI, which installs all of them, it fails."""

    def require(*modules: str) -> None:
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if not missing:
            return
        reason = f"{', '.join(missing)} not installed: make test-clients installs all clients"
        if os.environ.get("POTENTIALS_CLIENTS") == "required":
            pytest.fail(f"{reason}; POTENTIALS_CLIENTS=required")
        pytest.skip(reason)

    return require


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of copper, fitted once to the built-in data; the same for all processes of the tests."""
    return _once(tmp_path_factory, "copper.potential", copper_model)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of H, C, O, Ne, Al and Ni in double precision, with random weights."""
    return _once(tmp_path_factory, "untrained.potential", untrained_model)


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    folder = factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with FileLock(folder / f"{name}.lock"):
        if not (folder / name).is_file():
            make(folder / name)
    return folder / name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copper: Path) -> Path:
    """A user's folder: models of copper and ethanol, crystal.xyz, molecule.xyz. The test runs in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copper.potential").write_bytes(copper.read_bytes())
    (tmp_path / "ethanol.potential").write_bytes(builtin_model_path("ethanol").read_bytes())
    ase.io.write("crystal.xyz", crystal())
    ase.io.write("molecule.xyz", molecule())
    return tmp_path


def crystal() -> Atoms:
    """Copper, four atoms, away from equilibrium."""
    atoms = build.bulk("Cu", a=3.65, cubic=True)
    atoms.rattle(0.05, seed=3)
    return atoms


def molecule() -> Atoms:
    """Ethanol, away from equilibrium, not periodic."""
    atoms = build.molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=4)
    return atoms
