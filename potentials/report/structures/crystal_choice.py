"""Crystals of the data set, relaxed with the potential, for equations of state, elasticity and phonons."""

from __future__ import annotations

from dataclasses import dataclass

from ase import Atoms
from ase.calculators.calculator import Calculator

from potentials.errors import DataError, SimulationError
from potentials.physics.crystals import relaxed_crystal
from potentials.physics.primitive_cell import primitive_cell
from potentials.report.structures.choice import Kind, kinds
from potentials.report.subject import Subject
from potentials.setup.speed import seconds_per_call

MOST_CRYSTALS = 2
_CALLS = 300
"""Number of evaluations for relaxation and strains of a crystal of low symmetry."""
_SMALL = 16
"""Number of atoms up to which a cell is always computed."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """One crystal of the data set."""

    kind: Kind
    start: Atoms
    """The frame of this substance with the lowest energy."""
    relaxed: Atoms
    """The relaxed primitive cell."""


def crystals(subject: Subject, calculator: Calculator) -> tuple[list[Crystal], list[str]]:
    """Return at most two substances that are periodic in three directions, and the reasons why others were skipped."""
    found: list[Crystal] = []
    reasons: list[str] = []
    for kind in kinds(subject):
        if not all(kind.pbc) or len(found) == MOST_CRYSTALS:
            continue
        start = kind.calmest
        try:
            _check_cost(calculator, start, subject.budget)
            found.append(Crystal(kind, start, relaxed_crystal(calculator, start)))
        except (SimulationError, DataError) as error:
            reasons.append(f"{kind.formula}: {error}")
    return found, reasons


def why_none(subject: Subject, reasons: list[str]) -> str:
    """Return the reason in one or two sentences, and what to do."""
    if reasons:
        return f"No crystal in the data could be used. {'; '.join(reasons)}. {_ADVICE}"
    if not subject.splits:
        return f"There is no structure to start from: {subject.no_data}."
    return f"The data contain no structure that is periodic in three directions, so there is no crystal. {_ADVICE}"


_ADVICE = "If the potential is for crystals, give a file with one: potentials report MODEL crystal.xyz."


def _check_cost(calculator: Calculator, start: Atoms, budget: float) -> None:
    atoms = primitive_cell(start)
    if len(atoms) <= _SMALL:
        return
    expected = _CALLS * seconds_per_call(calculator, atoms)
    if expected > budget:
        raise SimulationError(
            f"the primitive cell of {len(atoms)} atoms would take about {expected:.0f} s, more than the {budget:.0f} s "
            "allowed; give a file with a smaller cell"
        )
