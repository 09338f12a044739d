"""Whether an extxyz file is laid out as it says, before ASE reads it.

ASE believes the file: a number of atoms or columns that somebody mistyped is a loop of that length, and a blank line
between frames ends the reading without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ase.io.extxyz import key_val_str_to_dict
from ase.io.formats import open_with_compression

from potentials.errors import DataError

MAX_COLUMNS = 10_000
_SHORT_COMMENT = 10_000
_LONG_NUMBER = re.compile(r""":[\s+"'{}\[\]\\]*(?:[\d_]["'{}\[\]\\]*){4,}""")
"""A number of columns of four digits or more, however it is quoted."""


def check_extxyz(name: str, path: str, last: int | None) -> None:
    """Follow the frames of a file as ASE does, line by line and without keeping any.

    Args:
        name: of the file, for messages.
        path: of the file, which may be compressed.
        last: number of the last frame that will be read; None for all.

    Raises:
        DataError: a frame announces a negative number of atoms or more than the file holds, or columns beyond measure;
            or a blank line stands between frames, and all of them are to be read.
        ValueError: the file is not text.
    """
    with open_with_compression(path, "r") as lines:
        _follow(name, iter(lines), last)


def _follow(name: str, lines: Iterator[str], last: int | None) -> None:
    number, line = 0, next(lines, "")
    while line.strip():
        try:
            count = int(line)
        except ValueError:
            return  # ASE says it
        if count < 0:
            raise DataError(f"{name}, frame {number}: expected a number of atoms, got {count}")
        _check_columns(name, number, next(lines, ""))
        for atom in range(count):
            if not next(lines, ""):
                raise DataError(
                    f"{name}, frame {number}: expected {_shortened(count)} atoms, but the file ends after {atom}"
                )
        line = next(lines, "")
        while line.lstrip().startswith("VEC"):
            line = next(lines, "")
        if last is not None and number >= last:
            return
        number += 1
    if last is None and any(rest.strip() for rest in lines):
        where = f"has a blank line after frame {number - 1}" if number else "begins with a blank line"
        raise DataError(f"{name} {where}, where reading stops; remove the line")


def _check_columns(name: str, number: int, comment: str) -> None:
    """Many columns in few characters: looked at more closely where there may be such."""
    if not _LONG_NUMBER.search(comment) and len(comment) < _SHORT_COMMENT:
        return
    try:
        columns = str(key_val_str_to_dict(comment).get("Properties", "")).split(":")[2::3]
        total = sum(max(int(column), 0) for column in columns)
    except (ValueError, RecursionError):
        return  # ASE says it
    if total > MAX_COLUMNS:
        raise DataError(
            f"{name}, frame {number}: Properties announces {_shortened(total)} columns; at most {MAX_COLUMNS} are read"
        )


def _shortened(number: int) -> str:
    return str(number) if number < 10**18 else f"more than {10**18}"
