"""ASE's database in LMDB (`.aselmdb`, as ase-db-backends and fairchem write it), read without a lock."""

from __future__ import annotations

import os
import zlib
from functools import cached_property
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

from potentials.data.stores.handles import count_mapped, handle
from potentials.data.stores.lmdb_rows import decode_row, decode_value, row_record
from potentials.data.stores.store import FrameRecord, FrameStore
from potentials.errors import DataError

_DECODING_ERRORS = (zlib.error, ValueError, KeyError, TypeError, AttributeError, IndexError)
_MAPPED_AROUND = 2**16
"""Bytes that Linux maps around a touched page, if they are in memory already."""


class LmdbStore(FrameStore):
    """A file of ase-db-backends: keys are row numbers from 1, values are rows as compressed JSON, in frame order.

    The file is mapped into memory; the map is released from time to time, so that pages read earlier do not count as
    memory of the process.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with self._environment().begin() as transaction:
            next_id, deleted = (self._reserved(transaction, key) for key in (b"nextid", b"deleted_ids"))
        if next_id is None and self._environment().stat()["entries"] > 0:
            raise DataError(f"{path} is an LMDB file, but not ASE's: it has no entry nextid")
        self._ids = np.arange(1, 1 if next_id is None else int(next_id))
        if deleted is not None:
            self._ids = np.setdiff1d(self._ids, np.asarray(deleted, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def num_atoms(self) -> NDArray[np.int64]:
        """[frames]; the file does not store them, so all rows are read once."""
        return np.fromiter((len(record.numbers) for record in self.records(0, len(self))), np.int64, len(self))

    def record(self, index: int) -> FrameRecord:
        """Return the row of frame `index`; see `FrameStore`."""
        row_id = int(self._ids[self._checked(index)])
        try:
            with self._environment().begin() as transaction:
                stored = transaction.get(b"%d" % row_id)
        except lmdb.Error as error:
            raise self.damaged(index, error) from error
        if stored is None:
            raise DataError(f"{self.path}, frame {index} is missing: there is no row {row_id}")
        count_mapped(len(stored) + _MAPPED_AROUND)
        try:
            return row_record(decode_row(bytes(stored)))
        except _DECODING_ERRORS as error:
            raise self.damaged(index, error) from error

    def _environment(self) -> lmdb.Environment:
        return handle(self.key, self._open)

    def _open(self) -> lmdb.Environment:
        self.check_unchanged()
        try:
            # Readahead would fetch pages that a shuffled order does not need.
            environment = lmdb.open(
                os.fsencode(self.path),
                subdir=False,
                readonly=True,
                lock=False,
                create=False,
                readahead=False,
                max_dbs=0,
            )
        except lmdb.InvalidError as error:
            raise DataError(f"{self.path} is not an LMDB file, or its header is damaged") from error
        except lmdb.Error as error:
            raise DataError(f"{self.path} cannot be opened; LMDB reports: {error}") from error
        # Accessing pages beyond the end of a mapped file ends the process without an error.
        expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
        if self.size < expected:
            environment.close()
            raise DataError(f"{self.path} is truncated: it has {self.size} bytes, expected {expected}; copy it again")
        return environment

    def _reserved(self, transaction: lmdb.Transaction, key: bytes) -> Any:
        stored = transaction.get(key)
        try:
            return None if stored is None else decode_value(bytes(stored))
        except _DECODING_ERRORS as error:
            raise DataError(f"{self.path}: the entry {key.decode()} cannot be read: {error}") from error
