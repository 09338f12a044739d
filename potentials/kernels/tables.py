"""Tables of couplings between components; kernels use no other group theory.

The contents depend on the operator. All tables have a key, by which operators find them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import numpy as np

TableType = TypeVar("TableType", bound="Table")
_TABLES: dict[str, Table] = {}


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Base class of tables: a key that identifies the contents in every process."""

    key: str

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> Any:
        """Copy or unpickle as the registered table.

        Operators look up tables by their keys, also in a process that has not created this table.
        """
        return _unpickled, (type(self), *(getattr(self, field.name) for field in fields(self)))


def registered(table: TableType) -> TableType:
    """Register a table; return the table first registered under its key."""
    return cast(TableType, _TABLES.setdefault(table.key, table))


def _unpickled(kind: type[TableType], key: str, *content: Any) -> TableType:
    found = _TABLES.get(key)
    return registered(kind(key, *content)) if found is None else cast(TableType, found)


def lookup(key: str) -> Table:
    """Look up a table by its key. Operators take keys, because `torch.library` operators take no Python objects."""
    return _TABLES[key]


def content_key(kind: str, *arrays: np.ndarray) -> str:
    """Return a key that is the same in every process for equal content.

    Args:
        kind: kind of table.
        arrays: contents of the table.
    """
    digest = hashlib.sha256(kind.encode())
    for array in arrays:
        digest.update(str(array.shape).encode())
        # Rounded, so that the key does not depend on the last bit of a library's square root.
        rounded = np.round(array, 12) + 0.0 if array.dtype.kind == "f" else array.astype(np.int64)
        digest.update(np.ascontiguousarray(rounded).tobytes())
    return f"{kind}-{digest.hexdigest()[:16]}"
