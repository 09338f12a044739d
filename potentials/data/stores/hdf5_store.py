"""Frames in HDF5: flat arrays with a row per frame or per atom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.data.stores import hdf5_layout as layout
from potentials.data.stores.handles import handle, release_handles
from potentials.data.stores.store import FrameRecord, FrameStore
from potentials.errors import DataError

_READING_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError)
_BLOCK = 1000
"""Number of frames read at once in sequential access."""


class _Column(NamedTuple):
    place: str
    name: str
    per_atom: bool
    is_text: bool
    values: h5py.Dataset
    present: h5py.Dataset | None
    """None if every frame has the value."""


class _OpenFile:
    """An open file and its datasets, whose lookup takes longer than reading from them."""

    def __init__(self, path: str) -> None:
        # Locking fails on some read-only and network file systems, and is not needed for files that are only read.
        self.file = h5py.File(path, "r", locking=False)
        self.numbers, self.positions = self.file[layout.NUMBERS], self.file[layout.POSITIONS]
        self.cell, self.pbc = self.file[layout.CELL], self.file[layout.PBC]
        self.constraints = self.file.get(layout.CONSTRAINTS)
        self.columns = [
            _Column(
                place,
                name,
                values.attrs[layout.PER] == "atom",
                h5py.check_string_dtype(values.dtype) is not None,
                values,
                self.file.get(f"{layout.PRESENT}/{place}/{name}"),
            )
            for place in layout.PLACES
            for name, values in self.file.get(place, {}).items()
        ]

    def close(self) -> None:
        self.file.close()


class Hdf5Store(FrameStore):
    """A file written by `potentials data convert`; docs/large-data.md describes its layout."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        try:
            opened = handle(self.key, self._open)
            self._offsets: NDArray[np.int64] = opened.file[layout.OFFSETS][:].astype(np.int64)
            self._check_lengths(opened)
        except _READING_ERRORS as error:
            release_handles()
            raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
        except DataError:
            release_handles()
            raise

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @cached_property
    def num_atoms(self) -> NDArray[np.int64]:
        """[frames], the number of atoms of each frame."""
        return np.diff(self._offsets)

    def record(self, index: int) -> FrameRecord:
        """Return frame `index`; see `FrameStore`."""
        self._checked(index)
        return next(self._block(index, index + 1))

    def records(self, start: int, stop: int) -> Iterator[FrameRecord]:
        """Yield the records of frames `start` to `stop` - 1; many are read at once."""
        for first in range(start, stop, _BLOCK):
            yield from self._block(first, min(first + _BLOCK, stop))

    def _block(self, start: int, stop: int) -> Iterator[FrameRecord]:
        offsets = self._offsets[start : stop + 1] - self._offsets[start]
        rows = {True: slice(self._offsets[start], self._offsets[stop]), False: slice(start, stop)}
        try:
            opened = handle(self.key, self._open)
            numbers, positions = opened.numbers[rows[True]], opened.positions[rows[True]]
            cell, pbc = opened.cell[rows[False]], opened.pbc[rows[False]]
            constraints = None if opened.constraints is None else opened.constraints[rows[False]]
            values = [
                (
                    column,
                    column.values[rows[column.per_atom]],
                    None if column.present is None else column.present[rows[False]],
                )
                for column in opened.columns
            ]
            for i in range(stop - start):
                atoms = slice(offsets[i], offsets[i + 1])
                places: dict[str, dict[str, Any]] = {place: {} for place in layout.PLACES}
                for column, block, present in values:
                    if present is None or present[i]:
                        value = block[atoms] if column.per_atom else block[i]
                        places[column.place][column.name] = _plain(value, column.is_text)
                yield FrameRecord(
                    numbers=numbers[atoms].astype(np.int64),
                    positions=positions[atoms],
                    cell=cell[i],
                    pbc=pbc[i],
                    constraints=() if constraints is None or not constraints[i] else json.loads(constraints[i]),
                    results=places["results"],
                    info=places["info"],
                    arrays=places["arrays"],
                )
        except _READING_ERRORS as error:
            raise self.damaged(start, error) from error

    def _open(self) -> _OpenFile:
        self.check_unchanged()
        if not h5py.is_hdf5(self.path):
            raise DataError(f"{self.path} is not an HDF5 file, or its header is damaged")
        with h5py.File(self.path, "r", locking=False) as file:
            found, version = file.attrs.get("format"), file.attrs.get("version")
        if found != layout.FORMAT:
            raise DataError(
                f'{self.path} is an HDF5 file of another layout: its attribute "format" is {found!r}, expected '
                f"{layout.FORMAT!r}; see docs/large-data.md, and write it with `potentials data convert`"
            )
        if version != layout.VERSION:
            raise DataError(
                f"{self.path} has layout version {version}; this version of potentials reads {layout.VERSION}"
            )
        return _OpenFile(self.path)

    def _check_lengths(self, opened: _OpenFile) -> None:
        """Check that every dataset has the number of rows given by the offsets.

        Raises:
            DataError: a dataset has more or fewer rows.
        """
        if len(self._offsets) == 0 or self._offsets[0] != 0 or (np.diff(self._offsets) < 0).any():
            raise DataError(f"{self.path}: {layout.OFFSETS} must start with 0 and not decrease")
        rows = {True: int(self._offsets[-1]), False: len(self)}
        lengths = [(opened.numbers, True), (opened.positions, True), (opened.cell, False), (opened.pbc, False)]
        lengths += [(column.values, column.per_atom) for column in opened.columns]
        lengths += [(column.present, False) for column in opened.columns if column.present is not None]
        for dataset, per_atom in lengths:
            if len(dataset) != rows[per_atom]:
                what = "atom" if per_atom else "frame"
                raise DataError(
                    f"{self.path}: {dataset.name} has {len(dataset)} rows, expected {rows[per_atom]}, one per {what}"
                )


def _plain(value: Any, is_text: bool) -> Any:
    """Convert NumPy scalars and bytes to Python numbers and text."""
    if is_text:
        if isinstance(value, bytes):
            return value.decode()
        texts = np.array([text.decode() for text in value.ravel()], dtype=str)
        return texts.reshape(value.shape)
    return value.item() if isinstance(value, np.generic) else value
