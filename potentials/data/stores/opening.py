"""Which store a file is, by its name."""

from __future__ import annotations

from pathlib import Path

from potentials.data.stores.hdf5_store import Hdf5Store
from potentials.data.stores.lmdb_store import LmdbStore
from potentials.data.stores.store import FrameStore

_STORES: dict[str, type[FrameStore]] = {".aselmdb": LmdbStore, ".h5": Hdf5Store, ".hdf5": Hdf5Store}
STORE_SUFFIXES = tuple(_STORES)


def is_store(path: str | Path) -> bool:
    """Whether the name of a file is that of a store."""
    return Path(path).suffix in _STORES


def open_store(path: str | Path) -> FrameStore:
    """The store in a file.

    Raises:
        DataError: the file is not what its name says, damaged, or written by something else.
    """
    return _STORES[Path(path).suffix](str(path))
