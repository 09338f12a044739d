"""Open files of stores: one handle for a file in a process, opened when it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class Handle(Protocol):
    """What can be closed."""

    def close(self) -> Any:
        """Give the file back."""


H = TypeVar("H", bound=Handle)
Key = tuple[str, int, int]
"""Real path, size and time of change of a file: another file under the same name needs another handle."""

_MOST_HANDLES = 128
_MOST_MAPPED = 128 * 2**20
"""Bytes of memory maps that are touched before these are given back: they count as memory of the process."""

# LMDB refuses to open a file a second time in one process, so that all stores of it must share one handle.
_handles: dict[Key, Handle] = {}
_mapped = 0


def handle(key: Key, opener: Callable[[], H]) -> H:
    """The handle of a file in this process; `opener` makes it where there is none."""
    found = _handles.get(key)
    if found is None:
        if len(_handles) >= _MOST_HANDLES or any(other[0] == key[0] for other in _handles):
            release_handles()
        found = _handles[key] = opener()
    return found  # type: ignore[return-value]


def release_handles() -> None:
    """Close all handles; the next reading opens what it needs."""
    global _mapped
    _mapped = 0
    while _handles:
        _handles.popitem()[1].close()


def count_mapped(num_bytes: int) -> None:
    """Say that so many bytes of a memory map were touched; all handles are closed when it becomes too much."""
    global _mapped
    _mapped += num_bytes
    if _mapped > _MOST_MAPPED:
        release_handles()


# A child must not use its parent's handles, and LMDB would not let it open its own beside them.
os.register_at_fork(before=release_handles)
