"""Stores: files of many frames with random access from any process, which are not loaded into memory.

`.aselmdb` is ASE's database in LMDB; `.h5` and `.hdf5` contain flat arrays in the layout of docs/large-data.md.
Stores are independent of labels, configurations and graphs.
"""

from potentials.data.stores.opening import STORE_SUFFIXES, is_store, open_store
from potentials.data.stores.store import FrameRecord, FrameStore

__all__ = ["STORE_SUFFIXES", "FrameRecord", "FrameStore", "is_store", "open_store"]
