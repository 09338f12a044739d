"""Writing HDF5 files in blocks of frames; memory does not grow with the number of frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase import Atoms
from ase.io.extxyz import per_atom_properties, per_config_properties
from numpy.typing import NDArray

from potentials.data.conversion.hdf5_columns import Column, as_array
from potentials.data.conversion.writer import FrameWriter, Place
from potentials.data.read import Frame
from potentials.data.stores import hdf5_layout as layout

_BLOCK = 1000
_ROWS = 4096
"""Chunk size of the datasets that every file has."""


class Hdf5Writer(FrameWriter):
    """Writer of `.h5`; docs/large-data.md describes the layout.

    A key has values of one type and shape in all frames; integers mixed with floats become floats.
    """

    format = "HDF5"

    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path, "w-")
        self.file.attrs["format"] = layout.FORMAT
        self.file.attrs["version"] = layout.VERSION
        for place in layout.PLACES:
            self.file.create_group(place)
        self._create(layout.OFFSETS, np.zeros(1, dtype=np.int64))
        self._create(layout.NUMBERS, np.zeros(0, dtype=np.uint8))
        self._create(layout.POSITIONS, np.zeros((0, 3)))
        self._create(layout.CELL, np.zeros((0, 3, 3)))
        self._create(layout.PBC, np.zeros((0, 3), dtype=bool))
        self.columns: dict[tuple[Place, str], Column] = {}
        self.block: list[Atoms] = []
        self.constraints: dict[int, str] = {}
        self.present: dict[tuple[Place, str], bytearray] = {}
        """Which frames have a value, one byte each, for the frames written so far."""

    def add(self, frame: Frame) -> None:
        """See `FrameWriter`."""
        atoms = frame.atoms
        for place, name, value in _values(atoms):
            try:
                self._column(place, name, as_array(value), len(atoms)).add(len(self.block), as_array(value))
            except ValueError as error:
                raise self.refusal(frame, place, name, error) from error
        if atoms.constraints:
            number = len(self.file[layout.CELL]) + len(self.block)
            self.constraints[number] = json.dumps([c.todict() for c in atoms.constraints], default=_as_list)
        self.block.append(atoms)
        if len(self.block) == _BLOCK:
            self._write_block()

    def close(self) -> None:
        """See `FrameWriter`."""
        if self.block:
            self._write_block()
        for (place, name), column in self.columns.items():
            if column.missing:
                present = np.frombuffer(self.present[place, name], dtype=bool)
                self.file[f"{layout.PRESENT}/{place}/{name}"] = present
        if self.constraints:
            texts = np.full(len(self.file[layout.CELL]), "", dtype=object)
            for number, text in self.constraints.items():
                texts[number] = text
            self.file.create_dataset(layout.CONSTRAINTS, data=texts, dtype=h5py.string_dtype())
        self.file.close()

    def discard(self) -> None:
        """See `FrameWriter`."""
        self.file.close()

    def _create(self, name: str, data: NDArray) -> None:
        self.file.create_dataset(name, data=data, maxshape=(None, *data.shape[1:]), chunks=(_ROWS, *data.shape[1:]))

    def _column(self, place: Place, name: str, value: NDArray, num_atoms: int) -> Column:
        column = self.columns.get((place, name))
        if column is None:
            if "/" in name or name == ".":
                raise ValueError('the name cannot be "." or contain "/"')
            per_atom = place == "arrays" or (place == "results" and _is_per_atom(name, value, num_atoms))
            frames, atoms = len(self.file[layout.CELL]), len(self.file[layout.NUMBERS])
            column = Column(self.file, place, name, value, per_atom=per_atom, rows=atoms if per_atom else frames)
            self.columns[place, name] = column
            self.present[place, name] = bytearray(frames)
        if column.per_atom and value.shape[:1] != (num_atoms,):
            raise ValueError(f"shape {value.shape}, expected one row for each of {num_atoms} atoms")
        return column

    def _write_block(self) -> None:
        num_atoms = np.array([len(atoms) for atoms in self.block])
        for key, column in self.columns.items():
            self.present[key] += column.write(num_atoms).tobytes()
        self._append(layout.OFFSETS, self.file[layout.OFFSETS][-1] + np.cumsum(num_atoms))
        self._append(layout.NUMBERS, np.concatenate([atoms.numbers for atoms in self.block]))
        self._append(layout.POSITIONS, np.concatenate([atoms.positions for atoms in self.block]))
        self._append(layout.CELL, np.array([atoms.cell.array for atoms in self.block]))
        self._append(layout.PBC, np.array([atoms.pbc for atoms in self.block]))
        self.block = []

    def _append(self, name: str, rows: NDArray) -> None:
        dataset = self.file[name]
        start = len(dataset)
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows


def _values(atoms: Atoms) -> list[tuple[Place, str, Any]]:
    results = {} if atoms.calc is None else atoms.calc.results
    found: list[tuple[Place, str, Any]] = []
    found += [("results", name, value) for name, value in results.items() if value is not None]
    found += [("info", name, value) for name, value in atoms.info.items()]
    found += [("arrays", name, value) for name, value in atoms.arrays.items() if name not in ("numbers", "positions")]
    return found


def _is_per_atom(name: str, value: NDArray, num_atoms: int) -> bool:
    """Return whether a calculator result is per atom; if ASE does not define its name, the shape decides."""
    if name in per_atom_properties or name in per_config_properties:
        return name in per_atom_properties
    return value.shape[:1] == (num_atoms,)


def _as_list(value: Any) -> Any:
    """Convert NumPy objects in the dictionaries of constraints."""
    return value.tolist()
