"""Frames with every kind of value, and files that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from potentials.data.conversion.hdf5_writer import Hdf5Writer
from potentials.data.frames import Frame

Write = Callable[[str, Sequence[Atoms]], str]


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
def write_hdf5(tmp_path: Path) -> Write:
    def write(name: str, frames: Sequence[Atoms]) -> str:
        writer = Hdf5Writer(tmp_path / name)
        for number, atoms in enumerate(frames):
            writer.add(Frame(atoms, "source", number))
        writer.close()
        return str(tmp_path / name)

    return write


@pytest.fixture
def write_lmdb(tmp_path: Path) -> Write:
    """By ase-db-backends itself; info goes into the data of the rows."""

    def write(name: str, frames: Sequence[Atoms]) -> str:
        with ase.db.connect(tmp_path / name) as database:
            for atoms in frames:
                database.write(atoms, data={key: value for key, value in atoms.info.items() if key != "count"})
        return str(tmp_path / name)

    return write
