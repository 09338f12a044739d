"""Tables say which components couple with which coefficient: all that the kernels know of group theory.

What they hold belongs to their operators. Common to all is the key, by which operators find them.
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
    """What tables share: a key that stands for all they hold, in every process."""

    key: str

    def __repr__(self) -> str:
        return self.key

    def __reduce__(self) -> Any:
        """Copies and unpickled tables are the registered one: operators find tables by their keys, also in a process
        that has not made this one."""
        return _unpickled, (type(self), *(getattr(self, field.name) for field in fields(self)))


def registered(table: TableType) -> TableType:
    """The table of this key that was made first, which is this one where there was none."""
    return cast(TableType, _TABLES.setdefault(table.key, table))


def _unpickled(kind: type[TableType], key: str, *content: Any) -> TableType:
    found = _TABLES.get(key)
    return registered(kind(key, *content)) if found is None else cast(TableType, found)


def lookup(key: str) -> Table:
    """The table of this key. Operators carry keys, because a `torch.library` operator takes no Python objects."""
    return _TABLES[key]


def content_key(kind: str, *arrays: np.ndarray) -> str:
    """A key that is the same in every process for equal content.

    Args:
        kind: of the table.
        arrays: all that it holds.
    """
    digest = hashlib.sha256(kind.encode())
    for array in arrays:
        digest.update(str(array.shape).encode())
        # Rounded, so that the last bit of a library's square root does not make another table.
        rounded = np.round(array, 12) + 0.0 if array.dtype.kind == "f" else array.astype(np.int64)
        digest.update(np.ascontiguousarray(rounded).tobytes())
    return f"{kind}-{digest.hexdigest()[:16]}"
