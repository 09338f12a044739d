"""Open files of stores: one handle per file and process, opened on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class Handle(Protocol):
    """An object that can be closed."""

    def close(self) -> Any:
        """Close the file."""


H = TypeVar("H", bound=Handle)
Key = tuple[str, int, int]
"""Real path, size and modification time of a file: a new file under the same name needs a new handle."""

_MOST_HANDLES = 128
_MOST_MAPPED = 128 * 2**20
"""Bytes of memory maps that may be touched before they are released: they count as memory of the process."""

# LMDB refuses to open a file twice in one process, so all stores of a file must share one handle.
_handles: dict[Key, Handle] = {}
_mapped = 0


def handle(key: Key, opener: Callable[[], H]) -> H:
    """Return the handle of a file in this process; `opener` creates it on first use."""
    found = _handles.get(key)
    if found is None:
        if len(_handles) >= _MOST_HANDLES or any(other[0] == key[0] for other in _handles):
            release_handles()
        found = _handles[key] = opener()
    return found  # type: ignore[return-value]


def release_handles() -> None:
    """Close all handles; they are reopened on the next read."""
    global _mapped
    _mapped = 0
    while _handles:
        _handles.popitem()[1].close()


def count_mapped(num_bytes: int) -> None:
    """Record that bytes of a memory map were touched; all handles are closed when the total is too large."""
    global _mapped
    _mapped += num_bytes
    if _mapped > _MOST_MAPPED:
        release_handles()


# A child process must not use its parent's handles, and LMDB would not let it open its own besides them.
os.register_at_fork(before=release_handles)
