"""A configuration as written in the file: values with their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from potentials.errors import Problem

Path = tuple[str | int, ...]
"""Path to a value: keys of mappings and indices of lists, `("data", "train", 0)`."""


@dataclass(frozen=True)
class Place:
    """A line of a file; without a line, the whole file or an override of the command line."""

    file: str
    line: int | None = None


@dataclass(frozen=True)
class Entry:
    """A value and the place of its key (of the value itself in lists and at the top)."""

    value: dict[str, Entry] | list[Entry] | str | int | float | bool | None
    place: Place

    def plain(self) -> Any:
        """Return the value without places, as plain Python objects."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def nearest_place(self, path: Path) -> Place:
        """Return the place of the value at `path`, or of the nearest section above if it is not in the file."""
        entry = self
        for part in path:
            if isinstance(entry.value, dict) and part in entry.value:
                entry = entry.value[str(part)]
            elif isinstance(entry.value, list) and isinstance(part, int) and part < len(entry.value):
                entry = entry.value[part]
            else:
                break
        return entry.place


def problem_at(place: Place, path: Path, message: str) -> Problem:
    """Return the problem `message` of the value at `path`, which is at `place`."""
    return Problem(message, file=place.file, line=place.line, key=dotted(path) or None)


def dotted(path: Sequence[str | int]) -> str:
    """Format `("data", "train", 0)` as `data.train[0]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")
