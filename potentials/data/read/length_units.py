"""Structures whose positions and cells are not in A, and which unit those of a potential's training data had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ase import Atoms

from potentials.config.messages.words import suggestion
from potentials.errors import DataError
from potentials.units import LENGTH_IN_ANGSTROM, LengthUnit


def atoms_in_angstrom(atoms: Atoms, unit: str) -> Atoms:
    """The structure with positions and cell in A; labels, `info` and other arrays stay as they are.

    Args:
        atoms: positions and cell in `unit`.
        unit: `A`, `Bohr` or `nm`.

    Raises:
        DataError: there is no such unit.
    """
    if unit not in LENGTH_IN_ANGSTROM:
        known = get_args(LengthUnit)
        raise DataError(f'"{unit}" is no unit of length{suggestion(unit, known)}; there are {", ".join(known)}')
    factor = LENGTH_IN_ANGSTROM[unit]
    if factor == 1.0:
        return atoms
    converted = atoms.copy()
    converted.set_cell(atoms.cell * factor)
    converted.positions = atoms.positions * factor
    converted.calc = atoms.calc
    return converted


def training_units(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Units of what a potential was trained on, by `positions`, `energy`, `forces`, `stress` and `virial`.

    Args:
        metadata: of a model file, in which anything may stand; empty where it says nothing.
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
