"""Conversion of positions and cells to A, and the units of a potential's training data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ase import Atoms

from potentials.config.messages.descriptions import suggestion
from potentials.errors import DataError
from potentials.units import LENGTH_IN_ANGSTROM, LengthUnit


def atoms_in_angstrom(atoms: Atoms, unit: str) -> Atoms:
    """Convert positions and cell to A; labels, `info` and other arrays are not changed.

    Args:
        atoms: positions and cell in `unit`.
        unit: `A`, `Bohr` or `nm`.

    Raises:
        DataError: the unit is not known.
    """
    if unit not in LENGTH_IN_ANGSTROM:
        known = get_args(LengthUnit)
        raise DataError(f'unknown unit of length "{unit}"; known units: {", ".join(known)}{suggestion(unit, known)}')
    factor = LENGTH_IN_ANGSTROM[unit]
    if factor == 1.0:
        return atoms
    converted = atoms.copy()
    converted.set_cell(atoms.cell * factor)
    converted.positions = atoms.positions * factor
    converted.calc = atoms.calc
    return converted


def training_units(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the units of a potential's training data, by `positions`, `energy`, `forces`, `stress` and `virial`.

    Args:
        metadata: of a model file, with arbitrary contents.

    Returns:
        Unit by quantity; empty where the metadata do not state it.
    """
    config = metadata.get("config")
    data = config.get("data") if isinstance(config, Mapping) else None
    if not isinstance(data, Mapping):
        return {}
    found = {"positions": data.get("length_unit")}
    for name in ("energy", "forces", "stress", "virial"):
        label = data.get(name)
        found[name] = label.get("unit") if isinstance(label, Mapping) else None
    return {name: unit for name, unit in found.items() if isinstance(unit, str)}
