"""Section of the report: invariances of the energy, and forces and stress as its derivatives."""

from __future__ import annotations

import math

from ase import Atoms

from potentials.pages import Mark, Paragraph, Section, Table
from potentials.physics.symmetry_errors import DerivativeErrors, SymmetryErrors, derivative_errors, symmetry_errors
from potentials.potential.clusters import rattled_cluster
from potentials.report.judging import mark, number
from potentials.report.structures.calculators import in_float64
from potentials.report.structures.choice import bare, kinds
from potentials.report.subject import Subject

TITLE = "Symmetries and derivatives"
GOOD = (
    "rounding errors only: below 1e-4 eV/Å in single precision, below 1e-8 in double; forces and "
    "stress agree with finite differences of the energy to 1e-5."
)
_ROUNDING, _BROKEN = 1e-4, 1e-2
"""eV/atom, eV/A, in the precision of the potential."""
_DERIVATIVE, _NO_DERIVATIVE = 1e-5, 1e-3
"""eV/A, eV/A^3, in double precision."""
_MOST_KINDS, _OF_KIND, _MOST_ATOMS = 3, 2, 200


def section(subject: Subject) -> Section:
    """Build a table of errors in the precision of the potential and in double precision."""
    structures, what = _structures(subject)
    exact = in_float64(subject.potential)
    own, double = symmetry_errors(subject.potential, structures), symmetry_errors(exact, structures)
    derivatives = derivative_errors(exact, structures, subject.seed)
    precision = subject.potential.precision
    rows = [*_symmetry_rows(subject, own, double), *_derivative_rows(derivatives)]
    stresses = ""
    if math.isfinite(derivatives.stress_size):
        stresses = f", stresses up to {number(derivatives.stress_size)} eV/Å³"
    table = Table(
        ["deviation (ideally zero)", "unit", f"{precision} (precision of the potential)", "float64", "judgment"],
        rows,
        "Rotations and reflections: root mean square over twelve random ones; others: maximum. Finite "
        f"differences: {derivatives.components} force components, the largest "
        f"{number(derivatives.force_size)} "
        f"eV/Å{stresses}.",
        text_columns=(1,),
    )
    return Section(TITLE, GOOD, [Paragraph(f"Measured on {what}."), table, *_remarks(subject, own)])


def _structures(subject: Subject) -> tuple[list[Atoms], str]:
    """Return some structures of each of the most frequent substances, or a generated cluster without data."""
    chosen = []
    for kind in kinds(subject)[:_MOST_KINDS]:
        fitting = [frame for frame in kind.frames if len(frame.frame.atoms) <= _MOST_ATOMS]
        chosen += [bare(frame.frame.atoms) for frame in fitting[:: max(1, len(fitting) // _OF_KIND)][:_OF_KIND]]
    if chosen:
        formulas = sorted({str(atoms.symbols) for atoms in chosen})
        return chosen, f"{len(chosen)} frames of the data ({', '.join(formulas)})"
    cluster = rattled_cluster(subject.potential.elements, 1.0)
    return [cluster], "a generated cluster of 27 atoms, because there are no suitable data"


def _symmetry_rows(subject: Subject, own: SymmetryErrors, double: SymmetryErrors) -> list[list[str | Mark]]:
    quantities = [
        ("rotations, reflections: energy", "eV/atom", own.rotations.energy_per_atom, double.rotations.energy_per_atom),
        ("rotations, reflections: forces", "eV/Å", own.rotations.forces, double.rotations.forces),
        ("translation: energy", "eV/atom", own.translation_energy, double.translation_energy),
        ("translation: forces", "eV/Å", own.translation_forces, double.translation_forces),
        ("permutation: energy", "eV/atom", own.permutation_energy, double.permutation_energy),
        ("permutation: forces", "eV/Å", own.permutation_forces, double.permutation_forces),
        ("sum of all forces", "eV/Å", own.net_force, double.net_force),
        ("torque (without periodic directions)", "eV", own.net_torque, double.net_torque),
    ]
    rows: list[list[str | Mark]] = []
    broken = subject.potential.config.broken_symmetry
    inexact = {"rotations": ("rotations", "torque"), "reflections": ("rotations",)}[broken[0]] if broken else ()
    for name, unit, of_own, of_double in quantities:
        if math.isnan(of_own):
            rows.append([name, unit, "-", "-", Mark("none", "does not apply")])
            continue
        by_design = name.startswith(inexact)
        judged = Mark("look", "approximate by design") if by_design else _judged(of_own, _ROUNDING, _BROKEN)
        rows.append([name, unit, number(of_own, 2), number(of_double, 2), judged])
    return rows


def _derivative_rows(errors: DerivativeErrors) -> list[list[str | Mark]]:
    rows: list[list[str | Mark]] = [
        [
            "forces minus finite differences",
            "eV/Å",
            "-",
            number(errors.forces, 2),
            _judged(errors.forces, _DERIVATIVE, _NO_DERIVATIVE),
        ]
    ]
    name, unit = "stress minus finite differences", "eV/Å³"
    if math.isnan(errors.stress):
        return [*rows, [name, unit, "-", "-", Mark("none", "no frame with three periodic directions")]]
    return [*rows, [name, unit, "-", number(errors.stress, 2), _judged(errors.stress, _DERIVATIVE, _NO_DERIVATIVE)]]


def _judged(value: float, good: float, bad: float) -> Mark:
    kind = mark(value, good, bad).kind
    return Mark(kind, {"good": "satisfied", "look": "more than rounding", "bad": "violated"}[kind])


def _remarks(subject: Subject, own: SymmetryErrors) -> list[Paragraph]:
    broken = subject.potential.config.broken_symmetry
    if broken is None:
        return []
    share = own.rotations.forces / own.rotations.force_size if own.rotations.force_size else math.nan
    return [
        Paragraph(
            f"The potential ({subject.potential.config.name}) is only approximately symmetric under {broken[0]}, "
            f"because {broken[1]}: under rotations and reflections, forces deviate by {share:.2%} of their magnitude "
            "(RMS). This should be well below the force error on test data."
        )
    ]
