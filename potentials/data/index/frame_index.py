"""Index of the frames of a file: sizes, elements, keys, groups and digests, known without reading the file again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from potentials.data.geometry import structure_hash
from potentials.data.label import frame_digest, is_isolated
from potentials.data.read.frames import structure_error
from potentials.data.stores import FrameRecord, FrameStore

ProgressCallback = Callable[[str], None]
T = TypeVar("T", bound=Hashable)

_MIN_FRAMES_FOR_PROGRESS = 20_000
"""Number of frames above which progress is reported."""
_PROGRESS_INTERVAL = 20.0
"""Seconds."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Properties of the F frames of a file; repeated values are stored once and referenced by index."""

    num_atoms: NDArray[np.int64]
    """[F]."""
    element_set_index: NDArray[np.int32]
    """[F], index of the set of elements in `element_sets`."""
    element_sets: list[tuple[int, ...]]
    """Atomic numbers, ascending."""
    key_set_index: NDArray[np.int32]
    """[F], index of the set of keys in `key_sets`."""
    key_sets: list[tuple[str, ...]]
    """Keys of calculator results, info and arrays with a value; values that are all NaN do not count."""
    group_index: NDArray[np.int32]
    """[F], index of the group in `group_names`."""
    group_names: list[str | None]
    """Values under the group key; `None` for frames without one."""
    periodic: NDArray[np.bool_]
    """[F], whether a frame is periodic in three directions."""
    isolated: NDArray[np.bool_]
    """[F], whether a frame is an isolated atom."""
    structure_hashes: NDArray[np.uint64]
    """[F], hash of elements, positions (to 1e-6), cell and periodicity."""
    frame_digests: NDArray[np.uint64]
    """[F, 2], `frame_digest` of each frame: of its structure, labels, weights and group, as stored in the file."""

    def has_key(self, key: str) -> NDArray[np.bool_]:
        """Return whether each frame has a value under `key`, [F]."""
        set_has_key = np.array([key in keys for keys in self.key_sets], dtype=bool)
        return set_has_key[self.key_set_index] if len(set_has_key) else np.zeros(0, dtype=bool)


class _Enumeration(Generic[T]):
    """Distinct values in the order of their first occurrence."""

    def __init__(self) -> None:
        self.indices: dict[T, int] = {}

    def index_of(self, value: T) -> int:
        return self.indices.setdefault(value, len(self.indices))


def gather_index(
    store: FrameStore, group_key: str, keys: Sequence[str], report_progress: ProgressCallback
) -> FrameIndex:
    """Read all frames of a file once and index them.

    Args:
        store: the file.
        group_key: key of the value that names the group of a frame.
        keys: keys of the values that digests cover.
        report_progress: callback for progress messages.

    Raises:
        DataError: a frame cannot be read, has no atoms, or has atoms without an element.
    """
    count = len(store)
    num_atoms = np.zeros(count, dtype=np.int64)
    category_indices = np.zeros((3, count), dtype=np.int32)
    flags = np.zeros((2, count), dtype=bool)
    structure_hashes, frame_digests = np.zeros(count, dtype=np.uint64), np.zeros((count, 2), dtype=np.uint64)
    element_sets: _Enumeration[tuple[int, ...]] = _Enumeration()
    key_sets: _Enumeration[tuple[str, ...]] = _Enumeration()
    group_names: _Enumeration[str | None] = _Enumeration()
    progress = _Progress(store.path, count, report_progress)
    for i, record in enumerate(store.records(0, count)):
        if len(record.numbers) == 0 or (record.numbers == 0).any():
            raise structure_error(f"{store.path}, frame {i}", record.numbers)
        values = _labels_by_key(record)
        group = values.get(group_key)
        name = None if group is None else str(group)
        num_atoms[i] = len(record.numbers)
        category_indices[0, i] = element_sets.index_of(tuple(sorted(set(record.numbers.tolist()))))
        category_indices[1, i] = key_sets.index_of(tuple(values))
        category_indices[2, i] = group_names.index_of(name)
        flags[0, i] = record.pbc.all()
        names = (name or "", str(record.info.get("config_type", "")))
        flags[1, i] = is_isolated(len(record.numbers), bool(record.pbc.any()), names)
        structure_hashes[i] = structure_hash(record.numbers, record.positions, record.cell, record.pbc)
        frame_digests[i] = frame_digest(
            record.numbers,
            record.positions,
            record.cell,
            record.pbc,
            (record.results, record.info, record.arrays),
            keys,
        )
        progress.count(i + 1)
    return FrameIndex(
        num_atoms=num_atoms,
        element_set_index=category_indices[0],
        element_sets=list(element_sets.indices),
        key_set_index=category_indices[1],
        key_sets=list(key_sets.indices),
        group_index=category_indices[2],
        group_names=list(group_names.indices),
        periodic=flags[0],
        isolated=flags[1],
        structure_hashes=structure_hashes,
        frame_digests=frame_digests,
    )


def _labels_by_key(record: FrameRecord) -> dict[str, Any]:
    """Return all values by key, in the order of precedence of labels: calculator results, info, arrays."""
    found = {**record.arrays, **record.info, **record.results}
    return {key: value for key, value in found.items() if value is not None and not _is_all_nan(value)}


def _is_all_nan(value: Any) -> bool:
    """Return whether all numbers are NaN."""
    if isinstance(value, float):
        return math.isnan(value)
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f" or not value.size:
        return False
    return bool(np.isnan(value.flat[0]) and np.isnan(value).all())


class _Progress:
    """Reports the progress of indexing."""

    def __init__(self, path: str, total: int, report_progress: ProgressCallback) -> None:
        self.path, self.total, self.report_progress = path, total, report_progress
        self.last_report = time.monotonic()
        if total > _MIN_FRAMES_FOR_PROGRESS:
            report_progress(f"{path}: indexing {total} frames (only when a file is first used)")

    def count(self, done: int) -> None:
        if done % 1000 or self.total <= _MIN_FRAMES_FOR_PROGRESS:
            return
        if time.monotonic() - self.last_report > _PROGRESS_INTERVAL:
            self.last_report = time.monotonic()
            self.report_progress(f"{self.path}: {done} of {self.total} frames indexed")


_JSON_FIELDS = ("element_sets", "key_sets", "group_names")


def index_arrays(index: FrameIndex) -> dict[str, NDArray]:
    """Return the index as arrays that `numpy.savez` writes without pickle."""
    return {name: np.array(json.dumps(value)) if name in _JSON_FIELDS else value for name, value in vars(index).items()}


def index_from_arrays(arrays: dict[str, NDArray]) -> FrameIndex:
    """Invert `index_arrays`.

    Raises:
        KeyError, TypeError, ValueError: an array is missing or invalid.
    """
    tables = {name: json.loads(str(arrays[name])) for name in _JSON_FIELDS}
    return FrameIndex(
        **{name: array for name, array in arrays.items() if name not in _JSON_FIELDS},
        element_sets=[tuple(numbers) for numbers in tables["element_sets"]],
        key_sets=[tuple(keys) for keys in tables["key_sets"]],
        group_names=tables["group_names"],
    )
