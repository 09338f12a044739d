"""The digest of a frame: what it is trained on, as the file says it, whether that is read at once or frame by frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from potentials.config.data import DataConfig

_SETTINGS = {"length_unit", "energy", "forces", "stress", "virial", "weights", "group_key"}
"""Of the `data` section, that say how values of a file become labels and weights."""


def digest_keys(config: DataConfig) -> tuple[str, ...]:
    """The keys whose values a digest covers: those of labels, weights and group."""
    labels = [label.key for label in (config.energy, config.forces, config.stress, config.virial) if label is not None]
    weights = [key for name, key in config.weights if name.endswith("key") and key]
    return tuple(sorted({config.group_key, *labels, *weights}))


def frame_digest(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    values: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
) -> NDArray[np.uint64]:
    """[2], a hash of a structure and of its values under some keys, in the units of the file.

    Args:
        numbers: [N], atomic numbers.
        positions: [N, 3].
        cell: [3, 3].
        pbc: [3].
        values: calculator results, info and arrays; the first that has a key counts.
        keys: of the values.
    """
    digest = hashlib.blake2b(np.asarray(numbers, dtype="<i8").tobytes(), digest_size=16)
    for lengths in (positions, cell):
        digest.update(np.ascontiguousarray(lengths, dtype="<f8").tobytes())
    digest.update(np.asarray(pbc, dtype=bool).tobytes())
    for key in keys:
        value = next((found[key] for found in values if found.get(key) is not None), None)
        array = np.asarray(value) if isinstance(value, np.ndarray | np.number | int | float) else np.array(str(value))
        digest.update(f"{key} {array.shape} ".encode())
        digest.update(array.astype("<f8").tobytes() if array.dtype.kind in "biuf" else str(array).encode())
    return np.frombuffer(digest.digest(), dtype="<u8")


def atoms_digest(atoms: Atoms, keys: Sequence[str]) -> NDArray[np.uint64]:
    """`frame_digest` of a structure as it was read, before its lengths are converted."""
    results = {} if atoms.calc is None else atoms.calc.results
    return frame_digest(
        atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, (results, atoms.info, atoms.arrays), keys
    )


def data_digest(frames: NDArray[np.uint64], config: DataConfig) -> str:
    """sha256 of frames in their order and of the settings with which they are read.

    Args:
        frames: [n, 2], the digest of each.
        config: the `data` section.
    """
    settings = json.dumps(config.model_dump(mode="json", include=_SETTINGS), sort_keys=True)
    digest = hashlib.sha256(settings.encode())
    digest.update(np.ascontiguousarray(frames, dtype="<u8").tobytes())
    return digest.hexdigest()
