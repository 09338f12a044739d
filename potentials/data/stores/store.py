"""The common interface of stores: random access to frames without loading the file into memory."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import dict2constraint
from numpy.typing import NDArray

from potentials.data.stores.handles import Key
from potentials.errors import DataError


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """The contents of a file for one frame; faster to read than `ase.Atoms`."""

    numbers: NDArray[np.int64]
    """[N], atomic numbers."""
    positions: NDArray[np.float64]
    """[N, 3], in the unit of the file."""
    cell: NDArray[np.float64]
    """[3, 3], one cell vector per row."""
    pbc: NDArray[np.bool_]
    """[3] booleans."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """Calculator results."""
    info: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    """[N, ...] each, without atomic numbers and positions."""
    constraints: Sequence[Mapping[str, Any]] = ()
    """As returned by `todict` of ASE's constraints."""
    calculator: str = SinglePointCalculator.name

    def to_atoms(self) -> Atoms:
        """Return the structure, with a `SinglePointCalculator` if there are results."""
        atoms = Atoms(self.numbers, self.positions, cell=self.cell, pbc=self.pbc)
        for name, array in self.arrays.items():
            atoms.set_array(name, array)
        atoms.info.update(self.info)
        if self.constraints:
            atoms.set_constraint([dict2constraint(dict(constraint)) for constraint in self.constraints])
        if self.results:
            atoms.calc = SinglePointCalculator(atoms)
            atoms.calc.results.update(self.results)
            atoms.calc.name = self.calculator
        return atoms


class FrameStore(ABC):
    """A file of many frames, numbered from 0, with random access.

    The file is opened in each process on first access, read-only and without a lock file. A store can be pickled and
    survives a fork.

    Args:
        path: path of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            state = Path(path).stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        self.size, self.modified = state.st_size, state.st_mtime_ns
        self.key: Key = (os.path.realpath(path), self.size, self.modified)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of frames."""

    @abstractmethod
    def record(self, index: int) -> FrameRecord:
        """Return the contents of the file for frame `index`.

        Raises:
            DataError: the frame cannot be read, or the file has changed since it was first opened.
            IndexError: there is no such frame.
        """

    @cached_property
    @abstractmethod
    def num_atoms(self) -> NDArray[np.int64]:
        """[frames], the number of atoms of each frame."""

    def records(self, start: int, stop: int) -> Iterator[FrameRecord]:
        """Yield the records of frames `start` to `stop` - 1."""
        for index in range(start, stop):
            yield self.record(index)

    def read(self, index: int) -> Atoms:
        """Return frame `index` with its calculator results, info and arrays.

        Raises:
            DataError, IndexError: as in `record`; also if the record is not a valid structure.
        """
        record = self.record(index)
        try:
            return record.to_atoms()
        except (ValueError, TypeError, KeyError) as error:
            raise self.damaged(index, error) from error

    def damaged(self, index: int, error: Exception) -> DataError:
        """Return the error for a frame that cannot be decoded."""
        return DataError(f"{self.path}, frame {index} cannot be read: {type(error).__name__}: {error}")

    def check_unchanged(self) -> None:
        """Check that the file has not changed since its frames were counted.

        Raises:
            DataError: it was replaced, written to, or removed.
        """
        try:
            state = Path(self.path).stat()
        except OSError as error:
            raise DataError(f"{self.path} can no longer be read: {error.strerror}") from error
        if (state.st_size, state.st_mtime_ns) != (self.size, self.modified):
            raise DataError(f"{self.path} changed while in use; run again when the file is complete")

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} frames; there is no frame {index}")
        return index
