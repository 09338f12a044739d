"""Indices of files, stored in the cache and used until the files change."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from potentials.cache import cache_path
from potentials.data.findings import Findings
from potentials.data.index.frame_index import (
    FrameIndex,
    ProgressCallback,
    gather_index,
    index_arrays,
    index_from_arrays,
)
from potentials.data.stores import FrameStore

_INDEX_VERSION = 4
"""Version of the index format."""


def cached_index(
    store: FrameStore, group_key: str, keys: Sequence[str], findings: Findings, report_progress: ProgressCallback
) -> FrameIndex:
    """Return the index of a file: from the cache, or created now and stored there.

    It is stored under the path, size and modification time of the file, so that a changed file is indexed again.

    Raises:
        DataError: a frame cannot be read.
    """
    cache_file = _cache_file(store, group_key, keys)
    try:
        with np.load(cache_file, allow_pickle=False) as arrays:
            index = index_from_arrays({name: arrays[name] for name in arrays.files})
        if len(index.num_atoms) == len(store):
            return index
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        findings.note(f"the index of {store.path} in {cache_file} is damaged and is rebuilt")
    index = gather_index(store, group_key, keys, report_progress)
    try:
        _write_cache_file(index, cache_file)
        findings.note(f"indexed {len(store)} frames of {store.path}; the index is stored in {cache_file}")
    except OSError as error:
        findings.note(
            f"indexed {len(store)} frames of {store.path}; the index cannot be stored in {cache_file}: {error}"
        )
    return index


def _cache_file(store: FrameStore, group_key: str, keys: Sequence[str]) -> Path:
    name = json.dumps([_INDEX_VERSION, os.path.realpath(store.path), store.size, store.modified, group_key, *keys])
    return cache_path("indices") / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"


def _write_cache_file(index: FrameIndex, path: Path) -> None:
    """Write the index atomically, because other processes may write the same file at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        written = Path(file.name)
        try:
            np.savez(file, allow_pickle=False, **index_arrays(index))
            file.close()
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
