"""Small structures and configurations for the tests of the data room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from potentials.cache import CACHE_VARIABLE
from potentials.config.data import DataConfig
from potentials.config.families import FamilyConfig
from potentials.config.run import RunConfig
from potentials.data.conversion.convert import WRITERS
from potentials.data.label import LabeledFrame
from potentials.data.read import Frame

WriteStore = Callable[[str, Sequence[Atoms]], str]

TRUE_E0 = {"H": -13.6, "C": -1028.0, "O": -2040.0}


def labeled_molecule(name: str, seed: int) -> Atoms:
    """A distorted molecule whose energy is the sum of `TRUE_E0` and a known 0.25 eV per atom."""
    atoms = molecule(name)
    random = np.random.default_rng(seed)
    atoms.positions += random.normal(scale=0.05, size=atoms.positions.shape)
    energy = sum(TRUE_E0[symbol] for symbol in atoms.symbols) + 0.25 * len(atoms)
    forces = without_rigid_motion(atoms.positions, random.normal(size=(len(atoms), 3)))
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def without_rigid_motion(positions: np.ndarray, forces: np.ndarray) -> np.ndarray:
    """Forces without sum and torque, as those of an energy are."""
    axes = np.eye(3)
    motions = [*(np.tile(axis, (len(positions), 1)) for axis in axes), *(np.cross(axis, positions) for axis in axes)]
    basis, _ = np.linalg.qr(np.reshape(motions, (6, -1)).T)
    flat = forces.ravel()
    return (flat - basis @ (basis.T @ flat)).reshape(-1, 3)


def isolated_atom(symbol: str) -> Atoms:
    atoms = Atoms(symbol)
    atoms.info["config_type"] = "isolated_atom"
    atoms.calc = SinglePointCalculator(atoms, energy=TRUE_E0[symbol], forces=np.zeros((1, 3)))
    return atoms


@pytest.fixture
def molecules() -> list[Atoms]:
    """Twelve frames of three molecules of H, C and O."""
    return [labeled_molecule(("CH3CH2OH", "H2O", "CH4")[seed % 3], seed) for seed in range(12)]


@pytest.fixture
def varied() -> list[Atoms]:
    """Thirty frames of molecules and crystals, with keys that come late, go missing, or change their type."""
    random = np.random.default_rng(5)
    frames = []
    for number in range(30):
        atoms = (
            Atoms("CH4", random.normal(size=(5, 3))) if number % 3 else bulk("Cu", cubic=True) * (1, 1, 1 + number % 2)
        )
        atoms.rattle(0.1, seed=number)
        results = {"energy": float(random.normal()) * 1e4, "forces": random.normal(size=(len(atoms), 3))}
        if atoms.pbc.all():
            results["stress"] = random.normal(size=6)
        if number % 5 != 2:
            atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info["config_type"] = ("gas", "solid, Größe", "")[number % 3]
        atoms.info["count"] = number if number < 12 else number + 0.5
        atoms.info["flag"] = bool(number % 2)
        if number > 7 and number % 2:
            atoms.info["tensor"] = random.normal(size=(3, 3)).astype(np.float32)
            atoms.arrays["REF_forces"] = random.normal(size=(len(atoms), 3))
        atoms.set_tags(range(len(atoms)))
        if number == 11:
            atoms.set_constraint(FixAtoms([0, 2]))
        frames.append(atoms)
    return frames


@pytest.fixture
def isolated_atoms() -> list[Atoms]:
    return [isolated_atom(symbol) for symbol in TRUE_E0]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, list[Atoms]], str]:
    """Write frames to a file of the test's own folder and return its path."""

    def write_file(name: str, frames: list[Atoms]) -> str:
        ase.io.write(tmp_path / name, frames)
        return str(tmp_path / name)

    return write_file


@pytest.fixture
def make_config() -> Callable[..., RunConfig]:
    """A run configuration from the values of its data section, of its model section, and others."""

    def make(data: dict[str, Any], model: dict[str, Any] | None = None, **others: Any) -> RunConfig:
        return RunConfig(
            run="test",
            data=DataConfig.model_validate(data),
            model=FamilyConfig.model_validate({"name": "mace", **(model or {})}),
            **others,
        )

    return make


@pytest.fixture
def labeled() -> Callable[..., LabeledFrame]:
    """A labeled frame from atoms; labels that are not given are NaN."""

    def make(atoms: Atoms, index: int = 0, file: str = "frames.xyz", **values: Any) -> LabeledFrame:
        labels = {"energy": np.nan, "forces": np.full((len(atoms), 3), np.nan), "stress": np.full((3, 3), np.nan)}
        return LabeledFrame(frame=Frame(atoms, file, index), **{**labels, **values})

    return make


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test alone keeps indices of files."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "indices"


@pytest.fixture
def write_store(tmp_path: Path, own_cache: Path) -> WriteStore:
    """Write frames to a store of the test's own folder and return its path."""

    def write(name: str, frames: Sequence[Atoms]) -> str:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        writer = WRITERS[path.suffix](path)
        for number, atoms in enumerate(frames):
            writer.add(Frame(atoms, "source", number))
        writer.close()
        return str(path)

    return write


@pytest.fixture
def lazy_config(make_config: Callable[..., RunConfig]) -> Callable[..., RunConfig]:
    """A run configuration whose frames stay in their files."""

    def make(data: dict[str, Any], **others: Any) -> RunConfig:
        return make_config({"loading": "lazy", "batch_size": 2, **data}, {"cutoff": 3.0}, **others)

    return make
