"""Stores selected by file name."""

from __future__ import annotations

from pathlib import Path

from potentials.data.stores.hdf5_store import Hdf5Store
from potentials.data.stores.lmdb_store import LmdbStore
from potentials.data.stores.store import FrameStore

_STORES: dict[str, type[FrameStore]] = {".aselmdb": LmdbStore, ".h5": Hdf5Store, ".hdf5": Hdf5Store}
STORE_SUFFIXES = tuple(_STORES)


def is_store(path: str | Path) -> bool:
    """Return whether a file name is that of a store."""
    return Path(path).suffix in _STORES


def open_store(path: str | Path) -> FrameStore:
    """Open the store in a file.

    Raises:
        DataError: the file is damaged, has another format than its name suggests, or was written by another program.
    """
    return _STORES[Path(path).suffix](str(path))
