"""Units: all internal quantities are in eV, A, fs and eV/A^3; labels in other units are converted when read."""

from __future__ import annotations

from typing import Literal, get_args

from ase import units as _ase

EnergyUnit = Literal["eV", "meV", "Ha", "Ry", "kcal/mol", "kJ/mol"]
LengthUnit = Literal["A", "Bohr", "nm"]
StressUnit = Literal["eV/A^3", "GPa", "MPa", "kbar", "bar", "Ha/Bohr^3"]
ForceUnit = Literal[
    "eV/A", "meV/A", "eV/Bohr", "Ha/Bohr", "Ha/A", "Ry/Bohr", "kcal/mol/A", "kcal/mol/Bohr", "kJ/mol/A", "kJ/mol/nm"
]

ENERGY_IN_EV: dict[str, float] = {
    "eV": 1.0,
    "meV": 1e-3,
    "Ha": _ase.Hartree,
    "Ry": _ase.Rydberg,
    "kcal/mol": _ase.kcal / _ase.mol,
    "kJ/mol": _ase.kJ / _ase.mol,
}
LENGTH_IN_ANGSTROM: dict[str, float] = {"A": 1.0, "Bohr": _ase.Bohr, "nm": 10.0}
STRESS_IN_EV_PER_CUBIC_ANGSTROM: dict[str, float] = {
    "eV/A^3": 1.0,
    "GPa": _ase.GPa,
    "MPa": 1e-3 * _ase.GPa,
    "kbar": 0.1 * _ase.GPa,
    "bar": 1e-4 * _ase.GPa,
    "Ha/Bohr^3": _ase.Hartree / _ase.Bohr**3,
}
# An energy unit may itself contain a slash ("kcal/mol"), so the length unit follows the last slash.
FORCE_IN_EV_PER_ANGSTROM: dict[str, float] = {
    unit: ENERGY_IN_EV[unit.rpartition("/")[0]] / LENGTH_IN_ANGSTROM[unit.rpartition("/")[2]]
    for unit in get_args(ForceUnit)
}
