"""Writing structures to the output file of a command."""

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
    """Check that extxyz can be written to `path` without overwriting inputs.

    Args:
        path: the file to write.
        inputs: frames that the output is made from.
        others: further input files.

    Raises:
        DataError: its name does not end in `.extxyz` or `.xyz`, or it cannot be written (see `check_output`).
    """
    if path.suffix not in (".extxyz", ".xyz"):
        raise DataError(f'{path}: the output is extended XYZ; expected a name that ends in ".extxyz" or ".xyz"')
    check_output(path, [*others, *dict.fromkeys(frame.file for frame in inputs)])


class StructureOutput:
    """Writer of structures as extended XYZ that reads back with the same entries; warns of those it cannot represent.

    Args:
        path: name of the file in warnings.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._warned: set[tuple[str, str]] = set()

    def write(self, file: TextIO, atoms: Atoms) -> None:
        """Write a frame; warn once for each kind of entry that is not read back unchanged."""
        text, losses = frame_text(atoms)
        file.write(text)
        new = [loss for loss in losses if (loss.place, loss.key) not in self._warned]
        if new:
            self._warned.update((loss.place, loss.key) for loss in new)
            logger.warning(
                "%s: extended XYZ cannot store these entries exactly, so they are omitted or changed: %s",
                self.path,
                ", ".join(map(str, new)),
            )

    def append(self, atoms: Atoms) -> None:
        """Append a frame to the file."""
        with self.path.open("a", encoding="utf-8") as file:
            self.write(file, atoms)


def write_structures(path: Path, structures: Iterable[Atoms]) -> int:
    """Write structures as extxyz and return their number; the file appears when all are written.

    Raises:
        OSError: the file cannot be written.
    """
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
