"""Writing ASE's SQLite database (`.db`) with ASE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.db
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.data.conversion.row_values import row_values
from potentials.data.conversion.writer import FrameWriter, Place
from potentials.data.read import Frame

_SCALARS = ("energy", "free_energy", "magmom")
_OF_ATOMS: dict[Place, dict[str, tuple[int, ...]]] = {
    "results": {"forces": (3,), "magmoms": (), "charges": ()},
    "arrays": {"initial_magmoms": (), "initial_charges": (), "masses": (), "momenta": (3,), "tags": ()},
}
_OF_FRAMES = {"stress": (6,), "dipole": (3,)}


class SqliteWriter(FrameWriter):
    """Writer of ASE's SQLite database.

    Its columns contain float64 of certain shapes; values of other types or shapes are stored in the data of the row.
    """

    format = "ASE's SQLite database"

    def __init__(self, path: Path) -> None:
        self.database = ase.db.connect(path, append=False, use_lock_file=False)
        self.database.__enter__()

    def add(self, frame: Frame) -> None:
        """See `FrameWriter`."""
        atoms = frame.atoms

        def in_columns(place: Place, key: str, value: Any) -> bool:
            return _type(value) == _type(_column_value(place, key, value, len(atoms)))

        pairs, data = row_values(self, frame, in_columns, "biufc")
        # Columns of another type or shape would make the row unreadable.
        plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, constraint=atoms.constraints)
        for key, array in atoms.arrays.items():
            if (column := _column_value("arrays", key, array, len(atoms))) is not None:
                plain.set_array(key, column)
        if atoms.calc is not None:
            plain.calc = SinglePointCalculator(plain)
            plain.calc.name = atoms.calc.name
            for key, value in atoms.calc.results.items():
                if (column := _column_value("results", key, value, len(atoms))) is not None:
                    plain.calc.results[key] = column
        self.database.write(plain, key_value_pairs=pairs, data=data)

    def close(self) -> None:
        """See `FrameWriter`."""
        self.database.__exit__(None, None, None)

    def discard(self) -> None:
        """See `FrameWriter`."""
        self.database.__exit__(InterruptedError, None, None)


def _column_value(place: Place, key: str, value: Any, num_atoms: int) -> Any:
    """Return the value in the type of its column; None where no column fits."""
    if place == "results" and key in _SCALARS:
        is_number = isinstance(value, int | float | np.number) and bool(np.isfinite(value))
        return float(value) if is_number else None
    shape: tuple[int, ...] | None = _OF_FRAMES.get(key) if place == "results" else None
    if key in _OF_ATOMS.get(place, {}):
        shape = (num_atoms, *_OF_ATOMS[place][key])
    if shape is None or not isinstance(value, np.ndarray) or value.shape != shape or value.dtype.kind not in "iuf":
        return None
    if key != "tags":
        return value.astype(np.float64)
    # ASE stores them as int32.
    return value.astype(np.int64) if value.dtype.kind in "iu" and (np.abs(value) < 2**31).all() else None


def _type(value: Any) -> Any:
    if isinstance(value, float):  # NumPy's float64 is one
        return float
    return value.dtype if isinstance(value, np.ndarray) else type(value)
