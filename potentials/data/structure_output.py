"""Writing structures to a file that a command was asked to make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ase.io
from ase import Atoms

from potentials.data.frames import Frame
from potentials.errors import DataError
from potentials.outputs import check_output


def check_structure_output(path: Path, inputs: Iterable[Frame], *others: Path) -> None:
    """Make sure that extxyz can be written to `path` without harm to what is read.

    Args:
        path: the file to write.
        inputs: what it is made of.
        others: further files that are read.

    Raises:
        DataError: its name does not end in `.extxyz` or `.xyz`, or it cannot be written (see `check_output`).
    """
    if path.suffix not in (".extxyz", ".xyz"):
        raise DataError(f'{path}: the output is extended XYZ; expected a name that ends in ".extxyz" or ".xyz"')
    check_output(path, [*others, *dict.fromkeys(frame.file for frame in inputs)])


def write_structures(path: Path, structures: Iterable[Atoms]) -> int:
    """Write extxyz as the structures come; the file appears when all are written. Returns their number."""
    partial = path.with_name(f".{path.name}.partial")
    number = 0
    try:
        with partial.open("w") as file:
            for atoms in structures:
                ase.io.write(file, atoms, format="extxyz")
                number += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return number
