"""Stores that hold the varied frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ase.db
import pytest
from ase import Atoms

from potentials.data.conversion.hdf5_writer import Hdf5Writer
from potentials.data.read import Frame

Write = Callable[[str, Sequence[Atoms]], str]


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
