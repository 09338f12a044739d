"""Units inferred from a wrong ratio of energies to forces, or of stresses."""

from __future__ import annotations

from potentials.units import (
    ENERGY_IN_EV,
    FORCE_IN_EV_PER_ANGSTROM,
    STRESS_IN_EV_PER_CUBIC_ANGSTROM,
)

_TOLERANCE = 0.15
"""Relative tolerance within which a ratio is that of two units."""
_STRESS_TOLERANCE = 0.4
"""Models predict stresses less accurately; no two units of stress are so close."""
_USUAL = ("eV", "eV/A")


def explain_ratio(ratio: float, atoms: float) -> str:
    """Explain why energies may change by `ratio` times the work of the forces.

    Args:
        ratio: energy changes over work, both read as eV.
        atoms: mean number of atoms of a frame.
    """
    explanations = []
    if ratio < 0:
        explanations.append("the forces have the wrong sign: they are the gradient of the energy, not its negative")
    size = abs(ratio)
    if _alike(size * atoms, 1) and atoms > 1.5:
        explanations.append("the energies are per atom: multiply them by the number of atoms")
    pairs = _unit_pairs(size)
    if pairs and not _alike(size, 1):
        explanations.append(
            f"the units differ from the declared ones: {' or '.join(pairs[:3])}; declare them (data.energy.unit, "
            "data.forces.unit)"
        )
    if not explanations:
        return "check the units of both, and whether energies are total energies of the frames"
    return f"probable cause: {'; or '.join(explanations)}"


def _unit_pairs(ratio: float) -> list[str]:
    """Return pairs of units with that ratio, those with a usual unit first."""
    found = []
    for energy, energy_factor in ENERGY_IN_EV.items():
        for force, force_factor in FORCE_IN_EV_PER_ANGSTROM.items():
            if _alike(ratio * energy_factor / force_factor, 1):
                usual = (energy == _USUAL[0]) + (force == _USUAL[1])
                matching = force.startswith(energy + "/")
                found.append((-usual, not matching, f"energies in {energy} with forces in {force}"))
    return [text for *_, text in sorted(found)]


def explain_stress(ratio: float, is_virial: bool = False) -> str:
    """Return unit and sign of stresses (or virials) that are `ratio` times those in eV/A^3 (or eV) with ASE's sign."""
    sign = "compression-positive" if ratio < 0 else "tension-positive"
    known = ENERGY_IN_EV if is_virial else STRESS_IN_EV_PER_CUBIC_ANGSTROM
    units = [unit for unit, factor in known.items() if _alike(abs(ratio) * factor, 1, _STRESS_TOLERANCE)]
    return f"unit: {units[0] if units else 'unknown (no common unit matches)'}, sign: {sign}"


def _alike(value: float, expected: float, tolerance: float = _TOLERANCE) -> bool:
    return abs(value / expected - 1) < tolerance
