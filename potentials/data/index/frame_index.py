"""What is known of every frame of a file without reading it again: sizes, elements, keys, groups, digests."""

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
from potentials.data.stores import FrameRecord, FrameStore
from potentials.errors import DataError

Say = Callable[[str], None]
T = TypeVar("T", bound=Hashable)

_MANY = 20_000
"""Frames whose indexing takes long enough to be told of."""
_SECONDS_BETWEEN = 20.0


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Of the F frames of a file, in their order. What many frames share is listed once and numbered."""

    num_atoms: NDArray[np.int64]
    """[F]."""
    elements: NDArray[np.int32]
    """[F], number of the set of elements in `element_sets`."""
    element_sets: list[tuple[int, ...]]
    """Atomic numbers, ascending."""
    keys: NDArray[np.int32]
    """[F], number of the set of keys in `key_sets`."""
    key_sets: list[tuple[str, ...]]
    """Calculator results, info and arrays that have a value; numbers that are all NaN are none."""
    groups: NDArray[np.int32]
    """[F], number of the group in `group_names`."""
    group_names: list[str | None]
    """Values under the group key; None of frames that lack it."""
    periodic: NDArray[np.bool_]
    """[F], in three directions."""
    isolated: NDArray[np.bool_]
    """[F], whether it is an isolated atom."""
    structures: NDArray[np.uint64]
    """[F], a hash of elements, positions (to 1e-6), cell and periodicity."""
    digests: NDArray[np.uint64]
    """[F, 2], `frame_digest` of each frame: of its structure, labels, weights and group, as the file says them."""

    def has_key(self, key: str) -> NDArray[np.bool_]:
        """[F], whether a frame has a value under `key`."""
        of_sets = np.array([key in keys for keys in self.key_sets], dtype=bool)
        return of_sets[self.keys] if len(of_sets) else np.zeros(0, dtype=bool)


class _Numbered(Generic[T]):
    """Values in the order in which they first came, each once."""

    def __init__(self) -> None:
        self.numbers: dict[T, int] = {}

    def number(self, value: T) -> int:
        return self.numbers.setdefault(value, len(self.numbers))


def gather_index(store: FrameStore, group_key: str, keys: Sequence[str], say: Say) -> FrameIndex:
    """Read all frames of a file once.

    Args:
        store: the file.
        group_key: of the value that names the group of a frame.
        keys: of the values that digests cover.
        say: told how far it is, where it takes long.

    Raises:
        DataError: a frame cannot be read, has no atoms, or atoms of no element.
    """
    count = len(store)
    num_atoms = np.zeros(count, dtype=np.int64)
    numbered = np.zeros((3, count), dtype=np.int32)
    flags = np.zeros((2, count), dtype=bool)
    structures, digests = np.zeros(count, dtype=np.uint64), np.zeros((count, 2), dtype=np.uint64)
    element_sets: _Numbered[tuple[int, ...]] = _Numbered()
    key_sets: _Numbered[tuple[str, ...]] = _Numbered()
    group_names: _Numbered[str | None] = _Numbered()
    progress = _Progress(store.path, count, say)
    for i, record in enumerate(store.records(0, count)):
        if len(record.numbers) == 0 or (record.numbers == 0).any():
            what = "no atoms" if len(record.numbers) == 0 else "atoms of no element (X)"
            raise DataError(f"{store.path}, frame {i}: the structure has {what}")
        values = _values(record)
        group = values.get(group_key)
        name = None if group is None else str(group)
        num_atoms[i] = len(record.numbers)
        numbered[0, i] = element_sets.number(tuple(sorted(set(record.numbers.tolist()))))
        numbered[1, i] = key_sets.number(tuple(values))
        numbered[2, i] = group_names.number(name)
        flags[0, i] = record.pbc.all()
        names = (name or "", str(record.info.get("config_type", "")))
        flags[1, i] = is_isolated(len(record.numbers), bool(record.pbc.any()), names)
        structures[i] = structure_hash(record.numbers, record.positions, record.cell, record.pbc)
        digests[i] = frame_digest(
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
        elements=numbered[0],
        element_sets=list(element_sets.numbers),
        keys=numbered[1],
        key_sets=list(key_sets.numbers),
        groups=numbered[2],
        group_names=list(group_names.numbers),
        periodic=flags[0],
        isolated=flags[1],
        structures=structures,
        digests=digests,
    )


def _values(record: FrameRecord) -> dict[str, Any]:
    """All values by key, as labels are looked for: calculator results before info before arrays."""
    found = {**record.arrays, **record.info, **record.results}
    return {key: value for key, value in found.items() if value is not None and not _is_nan(value)}


def _is_nan(value: Any) -> bool:
    """Whether numbers stand there of which none is known."""
    if isinstance(value, float):
        return math.isnan(value)
    if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind != "f" or not value.size:
        return False
    return bool(np.isnan(value.flat[0]) and np.isnan(value).all())


class _Progress:
    """Says how far a long pass over a file is."""

    def __init__(self, path: str, total: int, say: Say) -> None:
        self.path, self.total, self.say = path, total, say
        self.told = time.monotonic()
        if total > _MANY:
            say(f"{path}: indexing {total} frames (once)")

    def count(self, done: int) -> None:
        if done % 1000 == 0 and self.total > _MANY and time.monotonic() - self.told > _SECONDS_BETWEEN:
            self.told = time.monotonic()
            self.say(f"{self.path}: {done} of {self.total} frames indexed")


_TABLES = ("element_sets", "key_sets", "group_names")


def index_arrays(index: FrameIndex) -> dict[str, NDArray]:
    """The index as arrays that `numpy.savez` writes without pickle."""
    return {name: np.array(json.dumps(value)) if name in _TABLES else value for name, value in vars(index).items()}


def index_from_arrays(arrays: dict[str, NDArray]) -> FrameIndex:
    """The inverse of `index_arrays`.

    Raises:
        KeyError, TypeError, ValueError: something is missing or of another form.
    """
    tables = {name: json.loads(str(arrays[name])) for name in _TABLES}
    return FrameIndex(
        **{name: array for name, array in arrays.items() if name not in _TABLES},
        element_sets=[tuple(numbers) for numbers in tables["element_sets"]],
        key_sets=[tuple(keys) for keys in tables["key_sets"]],
        group_names=tables["group_names"],
    )
