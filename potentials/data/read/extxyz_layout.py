"""Check of the layout of extxyz files, before ASE reads them.

ASE does not check it: a mistyped number of atoms or columns is used as the length of a loop, a blank line between
frames silently ends the reading, and rows with more columns than `Properties` declares shift the labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ase.io.extxyz import key_val_str_to_dict

from potentials.data.read.ase_errors import open_lines
from potentials.errors import DataError

MAX_COLUMNS = 10_000
_PLAIN_PROPERTIES = re.compile(
    r"""(?:(?!Properties)[^"'{}\[\]\\]|"(?:(?!Properties)[^"\\])*")*\bProperties=([^\s"'{}\[\]\\=]+)(?:\s(?!.*Properties).*)?""",
    re.DOTALL,
)
"""A comment line with one `Properties` after regular entries, which needs no full parsing."""


def check_extxyz(name: str, path: str, last: int | None) -> None:
    """Read the frames of a file as ASE does, line by line, and check their layout.

    Args:
        name: name of the file in messages.
        path: path of the file, which may be compressed.
        last: number of the last frame to be read; None for all.

    Raises:
        DataError: the row of an atom has more or fewer columns than `Properties` declares (`silent_elsewhere`: labels
            would shift); a frame announces a negative number of atoms, more than the file holds, or unreasonably many
            columns; a blank line stands between frames, and all of them are to be read; or the file is not text.
    """
    with open_lines(name, path) as lines:
        _follow(name, lines, last)


def _follow(name: str, lines: Iterator[str], last: int | None) -> None:
    number, line, at = 0, next(lines, ""), 1  # at: the number of `line`, from 1
    while line.strip():
        try:
            count = int(line)
        except ValueError:
            return  # ASE raises the error
        if count < 0:
            raise DataError(f"{name}, frame {number}: expected a number of atoms, got {count}")
        declared = _declared_columns(name, number, next(lines, ""))
        for atom in range(count):
            row = next(lines, "")
            if not row:
                raise DataError(
                    f"{name}, frame {number}: expected {_shortened(count)} atoms, but the file ends after {atom}"
                )
            if declared is not None and len(row.split()) != declared[1]:
                raise _other_columns(name, number, at + 2 + atom, len(row.split()), *declared)
        line, at = next(lines, ""), at + 2 + count
        while line.lstrip().startswith("VEC"):
            line, at = next(lines, ""), at + 1
        if last is not None and number >= last:
            return
        number += 1
    if last is None and any(rest.strip() for rest in lines):
        where = f"has a blank line after frame {number - 1}" if number else "begins with a blank line"
        raise DataError(f"{name} {where}, where ASE stops reading; remove the line")


def _declared_columns(name: str, number: int, comment: str) -> tuple[str, int] | None:
    """Return `Properties` of a comment line and its number of columns; None where missing or invalid for ASE."""
    if "Properties" not in comment:
        return None
    plain = _PLAIN_PROPERTIES.fullmatch(comment)
    try:
        text = plain[1] if plain else str(key_val_str_to_dict(comment)["Properties"])
        total = sum(max(int(column), 0) for column in text.split(":")[2::3])
    except (KeyError, ValueError, RecursionError):
        return None
    if total > MAX_COLUMNS:
        raise DataError(
            f"{name}, frame {number}: Properties declares {_shortened(total)} columns; at most {MAX_COLUMNS} are read"
        )
    return text, total


def _other_columns(name: str, number: int, line: int, found: int, text: str, total: int) -> DataError:
    what = f"has {found} column{'' if found == 1 else 's'}, but Properties={text} declares {total}"
    remedy = "declare every column, or remove those that are not declared" if found > total else "complete the row"
    error = DataError(f"{name}, frame {number}: line {line} {what}; {remedy}")
    error.silent_elsewhere = True
    return error


def _shortened(number: int) -> str:
    return str(number) if number < 10**18 else f"more than {10**18}"
