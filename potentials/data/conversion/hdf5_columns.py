"""The datasets of an HDF5 file during writing: one for each calculator result, entry of info and array."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from potentials.data.conversion.writer import Place
from potentials.data.stores import hdf5_layout as layout

_CHUNK_BYTES = 2**16
_COPIED_ROWS = 100_000
_LARGEST_EXACT_INTEGER = 2**53
_KINDS = "biufcU"


def as_array(value: Any) -> NDArray:
    """Convert numbers, booleans or text to an array.

    Raises:
        ValueError: anything else, such as a dictionary, None, or rows of different lengths.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{type(value).__name__} with rows of different lengths") from error
    if array.dtype.kind not in _KINDS:
        raise ValueError(f"a value of type {type(value).__name__}")
    if array.size == 0:
        raise ValueError("an empty array")
    if array.dtype.kind == "U" and any("\0" in text for text in array.ravel()):
        raise ValueError("text with a null character")
    return array


class Column:
    """One dataset, filled block by block; frames without the value get NaN, 0, false or "".

    Args:
        file: to write to.
        place, name: where the values belong, and their name.
        sample: a value, for its type and shape.
        per_atom: whether the first dimension of values is that of the atoms.
        rows: number of frames or atoms written before the first value.
    """

    def __init__(self, file: h5py.File, place: Place, name: str, sample: NDArray, *, per_atom: bool, rows: int) -> None:
        self.path = f"{place}/{name}"
        self.per_atom = per_atom
        self.shape = sample.shape[1:] if per_atom else sample.shape
        self.dtype = self._stored_dtype(sample.dtype)
        self.file = file
        self.pending: dict[int, NDArray] = {}
        """Values of the current block by the frame's number within the block."""
        self.missing = rows > 0
        self.dataset = self._create(self.path, rows)

    def add(self, frame: int, value: NDArray) -> None:
        """Store the value of a frame of the current block.

        Raises:
            ValueError: its type or shape differs from that of earlier frames.
        """
        shape = value.shape[1:] if self.per_atom else value.shape
        if shape != self.shape:
            raise ValueError(f"shape {shape}, but {self.shape} in earlier frames")
        dtype = self._stored_dtype(value.dtype)
        if dtype != self.dtype:
            self._widen(dtype, value)
        self.pending[frame] = value

    def write(self, num_atoms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Append the block, with `num_atoms` [frames] of its frames; return which of them have a value, [frames]."""
        present = np.zeros(len(num_atoms), dtype=bool)
        present[list(self.pending)] = True
        self.missing |= not present.all()
        start = len(self.dataset)
        added = int(num_atoms.sum()) if self.per_atom else len(num_atoms)
        self.dataset.resize(start + added, axis=0)
        if self.pending:
            block = np.full((added, *self.shape), self._fill(), dtype=object if self._is_text else self.dtype)
            ends = np.cumsum(num_atoms)
            for frame, value in self.pending.items():
                rows = slice(ends[frame] - num_atoms[frame], ends[frame]) if self.per_atom else frame
                block[rows] = value.tolist() if self._is_text else value
            self.dataset[start:] = block
        self.pending = {}
        return present

    @property
    def _is_text(self) -> bool:
        return h5py.check_string_dtype(self.dtype) is not None

    def _fill(self) -> Any:
        if self._is_text:
            return ""
        return np.nan if self.dtype.kind in "fc" else self.dtype.type(0)

    @staticmethod
    def _stored_dtype(dtype: np.dtype) -> np.dtype:
        return h5py.string_dtype() if dtype.kind == "U" else dtype

    def _create(self, path: str, rows: int) -> h5py.Dataset:
        width = self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))
        dataset = self.file.create_dataset(
            path,
            shape=(rows, *self.shape),
            maxshape=(None, *self.shape),
            chunks=(max(1, _CHUNK_BYTES // width), *self.shape),
            dtype=self.dtype,
            fillvalue=None if self._is_text else self._fill(),
        )
        dataset.attrs[layout.PER] = "atom" if self.per_atom else "frame"
        return dataset

    def _widen(self, dtype: np.dtype, value: NDArray) -> None:
        """Convert the dataset so that it can contain values of `dtype` too, without loss.

        Raises:
            ValueError: not both are numeric, or values would lose digits.
        """
        if not {self.dtype.kind, dtype.kind} <= set("iuf"):
            raise ValueError(f"values of different types in different frames ({_name(self.dtype)}, {_name(dtype)})")
        wide = np.promote_types(self.dtype, dtype)
        stored = (self.dataset[start : start + _COPIED_ROWS] for start in range(0, len(self.dataset), _COPIED_ROWS))
        if wide.kind == "f":
            for numbers in (value, *self.pending.values(), *stored):
                if numbers.dtype.kind in "iu" and (np.abs(numbers) > _LARGEST_EXACT_INTEGER).any():
                    raise ValueError("integers beyond 2^53 in some frames and floating-point numbers in others")
        if wide == self.dtype:
            return
        old, self.dtype = self.dataset, wide
        self.dataset = self._create(f"{self.path} (wider)", len(old))
        for start in range(0, len(old), _COPIED_ROWS):
            self.dataset[start : start + _COPIED_ROWS] = old[start : start + _COPIED_ROWS]
        del self.file[self.path]
        self.file.move(f"{self.path} (wider)", self.path)


def _name(dtype: np.dtype) -> str:
    return "text" if h5py.check_string_dtype(dtype) is not None else dtype.name
