"""Stores: files of many frames that are read one frame at a time, from any process, without being held in memory.

`.aselmdb` is ASE's database in LMDB; `.h5` and `.hdf5` hold flat arrays in a layout of ours (docs/large-data.md).
Nothing here knows about labels, configurations or graphs.
"""

from potentials.data.stores.opening import STORE_SUFFIXES, is_store, open_store
from potentials.data.stores.store import FrameRecord, FrameStore

__all__ = ["STORE_SUFFIXES", "FrameRecord", "FrameStore", "is_store", "open_store"]
