"""What all stores have in common: random access to frames, without anything being held open in a copy."""

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
    """What a file holds about a frame; quicker to read than `ase.Atoms`."""

    numbers: NDArray[np.int64]
    """[N], atomic numbers."""
    positions: NDArray[np.float64]
    """[N, 3], in the unit of the file."""
    cell: NDArray[np.float64]
    """[3, 3], one cell vector a row."""
    pbc: NDArray[np.bool_]
    """[3]."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """Of the calculator."""
    info: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    """[N, ...] each, without numbers and positions."""
    constraints: Sequence[Mapping[str, Any]] = ()
    """As `todict` of ASE's constraints gives them."""
    calculator: str = SinglePointCalculator.name

    def to_atoms(self) -> Atoms:
        """The structure, with a `SinglePointCalculator` where there are results."""
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
    """A file of many frames, numbered from 0, of which each is read by itself.

    The file is opened in each process when a frame is asked for, for reading only and without a lock file. A store may
    be pickled or taken along by a fork.

    Args:
        path: of the file.
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
        """The number of frames."""

    @abstractmethod
    def record(self, index: int) -> FrameRecord:
        """What there is about frame `index`.

        Raises:
            DataError: the frame cannot be read, or the file has changed since it was first opened.
            IndexError: there is no such frame.
        """

    @cached_property
    @abstractmethod
    def num_atoms(self) -> NDArray[np.int64]:
        """[frames], the number of atoms of each frame."""

    def records(self, start: int, stop: int) -> Iterator[FrameRecord]:
        """The records of frames `start` to `stop` - 1, one after the other."""
        for index in range(start, stop):
            yield self.record(index)

    def read(self, index: int) -> Atoms:
        """Frame `index` with its calculator results, info and arrays.

        Raises:
            DataError, IndexError: as `record`; also where the record is no possible structure.
        """
        record = self.record(index)
        try:
            return record.to_atoms()
        except (ValueError, TypeError, KeyError) as error:
            raise self.damaged(index, error) from error

    def damaged(self, index: int, error: Exception) -> DataError:
        """The error that says which frame cannot be made sense of."""
        return DataError(f"{self.path}, frame {index} cannot be read: {type(error).__name__}: {error}")

    def check_unchanged(self) -> None:
        """Make sure that the file is still the one whose frames were counted.

        Raises:
            DataError: it was replaced, written to, or removed.
        """
        try:
            state = Path(self.path).stat()
        except OSError as error:
            raise DataError(f"{self.path} cannot be read any more: {error.strerror}") from error
        if (state.st_size, state.st_mtime_ns) != (self.size, self.modified):
            raise DataError(f"{self.path} has changed while it was in use; start again when it is complete")

    def _checked(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path} has {len(self)} frames, there is no frame {index}")
        return index
