"""Writing `.aselmdb` as ase-db-backends does, many rows per transaction and without its lock file."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from ase.calculators.calculator import all_properties
from ase.db.core import now
from ase.db.row import AtomsRow
from ase.io.jsonio import encode

from potentials.data.conversion.row_values import row_values
from potentials.data.conversion.writer import FrameWriter, Place
from potentials.data.read import Frame
from potentials.data.stores.entries import ROW_ARRAYS

_ROWS_AT_ONCE = 1000
_BYTES_AT_ONCE = 2**24
_SPARE_BYTES = 2**24


class LmdbWriter(FrameWriter):
    """Writer of ASE's LMDB database; rows are numbered from 1."""

    format = "ASE's LMDB database"

    def __init__(self, path: Path) -> None:
        self.environment = lmdb.open(os.fsencode(path), subdir=False, lock=False, sync=False, map_size=_SPARE_BYTES)
        self.rows: list[bytes] = []
        self.waiting_bytes = 0
        self.written = 0
        self.user = os.environ.get("USER")

    def add(self, frame: Frame) -> None:
        """See `FrameWriter`."""
        pairs, data = row_values(self, frame, _in_columns, "biufcU")
        # Without its calculator, from which ASE would request every possible result.
        row = AtomsRow(frame.atoms.copy())
        columns = {key: row[key] for key in row}
        if frame.atoms.calc is not None:
            results = frame.atoms.calc.results.items()
            columns |= {key: value for key, value in results if _in_columns("results", key, value)}
            columns |= {"calculator": frame.atoms.calc.name.lower(), "calculator_parameters": {}}
        time = now()
        columns |= {"ctime": time, "mtime": time, "user": self.user, "cell": np.asarray(row.cell)}
        columns |= {"key_value_pairs": pairs, "data": data}
        if row.constraints:
            columns["constraints"] = [constraint.todict() for constraint in row.constraints]
        self.rows.append(zlib.compress(encode(columns).encode()))
        self.waiting_bytes += len(self.rows[-1])
        if len(self.rows) == _ROWS_AT_ONCE or self.waiting_bytes > _BYTES_AT_ONCE:
            self._write_rows()

    def close(self) -> None:
        """See `FrameWriter`."""
        self._write_rows()
        self.environment.sync(True)
        self.environment.close()

    def discard(self) -> None:
        """See `FrameWriter`."""
        self.environment.close()

    def _write_rows(self) -> None:
        # A row takes whole pages, at worst twice its size, and rewritten pages remain allocated for a while.
        used = (self.environment.info()["last_pgno"] + 1) * self.environment.stat()["psize"]
        self.environment.set_mapsize(used + 4 * self.waiting_bytes + _SPARE_BYTES)
        with self.environment.begin(write=True) as transaction:
            for row in self.rows:
                self.written += 1
                transaction.put(b"%d" % self.written, row)
            transaction.put(b"nextid", zlib.compress(encode(self.written + 1).encode()))
        self.rows, self.waiting_bytes = [], 0


def _in_columns(place: Place, key: str, value: Any) -> bool:
    if place == "arrays":
        return key in ROW_ARRAYS
    # JSON has one type of floats: NumPy's float64 are read as Python's, which are identical.
    is_plain = isinstance(value, float) or not isinstance(value, np.generic)
    return key in all_properties and value is not None and is_plain
