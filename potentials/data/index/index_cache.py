"""Indices of files, kept in the cache as long as the files stay as they are."""

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
from potentials.data.index.frame_index import FrameIndex, Say, gather_index, index_arrays, index_from_arrays
from potentials.data.stores import FrameStore

_VERSION = 3
"""Of what an index holds."""


def cached_index(store: FrameStore, group_key: str, keys: Sequence[str], findings: Findings, say: Say) -> FrameIndex:
    """The index of a file: from the cache, or made now and kept there.

    It is kept under the file's path, size and time of change, so that another file is looked at anew.

    Raises:
        DataError: a frame cannot be read.
    """
    kept = _kept_file(store, group_key, keys)
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            index = index_from_arrays({name: arrays[name] for name in arrays.files})
        if len(index.num_atoms) == len(store):
            return index
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        findings.note(f"the index of {store.path} in {kept} is damaged and is rebuilt")
    index = gather_index(store, group_key, keys, say)
    try:
        _keep(index, kept)
        findings.note(f"indexed {len(store)} frames of {store.path}; the index is stored in {kept}")
    except OSError as error:
        findings.note(f"indexed {len(store)} frames of {store.path}; the index cannot be stored in {kept}: {error}")
    return index


def _kept_file(store: FrameStore, group_key: str, keys: Sequence[str]) -> Path:
    name = json.dumps([_VERSION, os.path.realpath(store.path), store.size, store.modified, group_key, *keys])
    return cache_path("indices") / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.npz"


def _keep(index: FrameIndex, path: Path) -> None:
    """Other processes may do the same at the same time, so the file appears as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        written = Path(file.name)
        try:
            np.savez(file, allow_pickle=False, **index_arrays(index))
            file.close()
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
