"""Writing structures to a file that a command was asked to make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ase.io
from ase import Atoms

from potentials.data.frames import Frame
from potentials.errors import DataError


def check_structure_output(path: Path, inputs: Iterable[Frame]) -> None:
    """Make sure that extxyz can be written to `path` without harm to what is read.

    Raises:
        DataError: its folder does not exist, its name does not end in `.extxyz` or `.xyz`, or it is one of the inputs.
    """
    if path.suffix not in (".extxyz", ".xyz"):
        raise DataError(f'{path}: the output is extended XYZ; expected a name that ends in ".extxyz" or ".xyz"')
    if not path.parent.is_dir():
        raise DataError(f"the folder of the output {path} does not exist")
    if path.exists() and any(Path(frame.file).exists() and path.samefile(frame.file) for frame in inputs):
        raise DataError(f"the output {path} is the file the structures come from; choose another name")


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
