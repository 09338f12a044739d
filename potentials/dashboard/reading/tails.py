"""Ends of growing files: the last rows of a CSV file, and the last row of a best model."""

from __future__ import annotations

import math
import os
from typing import BinaryIO

Row = dict[str, str]

_HEAD = 8 * 1024
"""Bytes that contain the column names."""
_BLOCK = 256 * 1024
_FARTHEST = 4 * 1024 * 1024
"""Largest distance in bytes from the end at which the best row is searched."""


def last_rows(file: BinaryIO, num_bytes: int = 64 * 1024) -> list[Row]:
    """Return the complete rows among the last bytes of a CSV file; incomplete rows are skipped."""
    names, start = _header(file)
    if not names:
        return []
    end = file.seek(0, os.SEEK_END)
    first = max(start, end - num_bytes)
    file.seek(first)
    lines = file.read(end - first).split(b"\n")[(first > start) : -1]
    return [row for line in lines if (row := _row(names, line)) is not None]


def last_best_row(file: BinaryIO) -> Row | None:
    """Return the last row of `metrics.csv` marked as best by a final 1; `None` if there is none near the end."""
    names, start = _header(file)
    if not names or names[-1] != "best":
        return None
    end = position = file.seek(0, os.SEEK_END)
    rest = b""
    while position > start and end - position < _FARTHEST:
        begin = max(start, position - _BLOCK)
        file.seek(begin)
        text = (b"\n" if begin == start else b"") + file.read(position - begin) + rest
        row = _last_marked(names, text)
        if row is not None:
            return row
        cut = text.find(b"\n")
        rest = text[: cut + 1] if cut >= 0 else text
        position = begin
    return None


def _last_marked(names: list[str], text: bytes) -> Row | None:
    found = text.rfind(b",1\n")
    while found >= 0:
        begin = text.rfind(b"\n", 0, found)
        row = _row(names, text[begin + 1 : found + 2]) if begin >= 0 else None
        if row is not None:
            return row
        found = text.rfind(b",1\n", 0, found)
    return None


def number(row: Row | None, name: str) -> float | None:
    """Return a cell as a finite number; `None` if it is missing or invalid."""
    try:
        value = float(row.get(name, "")) if row else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def last_number(rows: list[Row], name: str) -> float | None:
    """Return the last number in a column."""
    return next((value for row in reversed(rows) if (value := number(row, name)) is not None), None)


def _header(file: BinaryIO) -> tuple[list[str], int]:
    """Return the column names and the position of the first row; no names if the file has no valid header."""
    file.seek(0)
    line, newline, _ = file.read(_HEAD).partition(b"\n")
    names = [name.strip() for name in line.decode("utf-8", "replace").split(",")]
    return (names, len(line) + 1) if newline and "step" in names else ([], 0)


def _row(names: list[str], line: bytes) -> Row | None:
    cells = line.decode("utf-8", "replace").rstrip("\r").split(",")
    return dict(zip(names, cells, strict=True)) if len(cells) == len(names) else None
