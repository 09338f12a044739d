"""Units of positions and cells in the files of `predict`, `relax` and `md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from potentials.cli.terminal import console

if TYPE_CHECKING:
    from ase import Atoms

StructureUnit = Annotated[
    str | None, typer.Option("--length-unit", help="Unit of positions and cells in the file: A (default), Bohr or nm.")
]


def in_angstrom(atoms: Atoms, unit: str | None, metadata: Mapping[str, Any], already_warned: bool = False) -> Atoms:
    """Convert a structure to A. Warn if no unit is given and the potential was trained on files in another unit.

    Args:
        atoms: as read.
        unit: unit given by the user, if any.
        metadata: of the potential.
        already_warned: whether the warning was already printed.
    """
    from potentials.data.read import atoms_in_angstrom, training_units

    training_unit = training_units(metadata).get("positions", "A")
    if unit is None and training_unit != "A" and not already_warned:
        console.warn(
            f"positions and cells are assumed to be in A, but the potential was trained on files in {training_unit}; "
            f"give --length-unit {training_unit} if this file is in {training_unit} too, otherwise --length-unit A"
        )
    return atoms_in_angstrom(atoms, unit or "A")
