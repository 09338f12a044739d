"""Writing structures to a file that a command was asked to make."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from ase import Atoms

from potentials.data.read import Frame
from potentials.data.write.extxyz_output import frame_text
from potentials.errors import DataError
from potentials.outputs import check_output

logger = logging.getLogger("potentials.output")


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


class StructureOutput:
    """Writes structures as extended XYZ that reads back with the same entries, and warns of what it cannot hold.

    Args:
        path: as warnings call the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._warned: set[tuple[str, str]] = set()

    def write(self, file: TextIO, atoms: Atoms) -> None:
        """Write a frame; each kind of entry that the format does not give back is warned of once."""
        text, losses = frame_text(atoms)
        file.write(text)
        new = [loss for loss in losses if (loss.place, loss.key) not in self._warned]
        if new:
            self._warned.update((loss.place, loss.key) for loss in new)
            logger.warning(
                "%s: extended XYZ cannot hold %s as in the structure; these entries are left out or changed",
                self.path,
                ", ".join(map(str, new)),
            )

    def append(self, atoms: Atoms) -> None:
        """Write a frame at the end of the file."""
        with self.path.open("a", encoding="utf-8") as file:
            self.write(file, atoms)


def write_structures(path: Path, structures: Iterable[Atoms]) -> int:
    """Write extxyz as the structures come; the file appears when all are written. Returns their number."""
    partial = path.with_name(f".{path.name}.partial")
    output = StructureOutput(path)
    number = 0
    try:
        with partial.open("w", encoding="utf-8") as file:
            for atoms in structures:
                output.write(file, atoms)
                number += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return number
