"""The unit of positions and cells in files that are predicted, relaxed or simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from potentials.cli import console

if TYPE_CHECKING:
    from ase import Atoms

StructureUnit = Annotated[
    str | None, typer.Option("--length-unit", help="Unit of positions and cells in the file: A (default), Bohr or nm.")
]


def in_angstrom(atoms: Atoms, unit: str | None, metadata: Mapping[str, Any], told: bool = False) -> Atoms:
    """A structure in A. Warns where nothing says its unit and the potential was trained on files in another one.

    Args:
        atoms: as read.
        unit: that was given, if any.
        metadata: of the potential.
        told: the warning has been given.
    """
    from potentials.data.read import atoms_in_angstrom, training_units

    trained = training_units(metadata).get("positions", "A")
    if unit is None and trained != "A" and not told:
        console.warn(
            f"positions and cells are taken to be in A, but the potential was trained on files in {trained}; if this "
            f"file is in {trained} too, say so: --length-unit {trained} (or --length-unit A if it is not)"
        )
    return atoms_in_angstrom(atoms, unit or "A")
