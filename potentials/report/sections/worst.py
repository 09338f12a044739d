"""Section of the report: the frames with the largest errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from potentials.pages import Arrows, Paragraph, Part, Section, StructureFrame, StructureView, Table, palette
from potentials.report.judging import number
from potentials.report.predictions.comparison import Array, short_file
from potentials.report.predictions.error_groups import frame_energy_errors, frame_force_errors
from potentials.report.predictions.evaluated import EvaluatedSplit
from potentials.report.sections.parity import why_nothing
from potentials.report.subject import Subject

TITLE = "Frames with the largest errors"
GOOD = (
    "these frames are similar to the others and their errors not much larger; outliers have a physical reason (a "
    "breaking bond, the edge of the training data) rather than a wrong label. Inspect them before you keep or discard "
    "them."
)
SHOWN = 10
_MOST_ATOMS = 300
"""Largest number of atoms drawn; of larger frames those around the atom with the largest error are drawn."""
_LONGEST, _USUAL = 3.0, 1.6
"""Lengths in A of the arrow of the largest force, and of the 90th percentile; the smaller scale is used."""


@dataclass(frozen=True)
class Worst:
    """A frame and its errors."""

    split: EvaluatedSplit
    place: int
    """Index of the frame in the split."""
    force_error: float
    """RMSE of the force components, eV/A; NaN without forces."""
    energy_error: float
    """eV/atom, prediction - label; NaN without energy."""


def worst_frames(splits: Sequence[EvaluatedSplit], count: int = SHOWN) -> list[Worst]:
    """Return the frames with the largest force errors of all splits, or energy errors if no frame has forces."""
    found = []
    for split in splits:
        forces, energies = frame_force_errors(split), frame_energy_errors(split)
        found += [
            Worst(split, place, float(force), float(energy))
            for place, (force, energy) in enumerate(zip(forces, energies, strict=True))
        ]
    with_forces = any(not np.isnan(one.force_error) for one in found)

    def size(one: Worst) -> float:
        return one.force_error if with_forces else abs(one.energy_error)

    known = [one for one in found if not np.isnan(size(one))]
    return sorted(known, key=size, reverse=True)[:count]


def section(subject: Subject) -> Section:
    """Build a view of the structures with arrows, and a table."""
    splits = subject.evaluated.splits
    if not splits:
        return Section(TITLE, GOOD, missing=why_nothing(subject))
    worst = worst_frames(splits)
    if not worst:
        reason = "No frame has forces or an energy to compare with."
        return Section(TITLE, GOOD, missing=reason)
    has_forces = any(not np.isnan(one.force_error) for one in worst)
    ordered = "the largest force errors" if has_forces else "the largest energy errors, as there are no forces"
    shown: list[Part] = [
        Paragraph(f"The {len(worst)} frames of all splits with {ordered}, largest first."),
        StructureView([_view(number, one) for number, one in enumerate(worst, 1)], _legend(has_forces), 460),
        _table(worst),
    ]
    return Section(TITLE, GOOD, shown)


def _legend(has_forces: bool) -> str:
    usage = (
        "Drag to rotate, scroll to zoom; hover over an atom for its forces."
        if has_forces
        else "Drag to rotate, scroll to zoom."
    )
    return f"{usage} Where only one arrow is visible, the two forces agree." if has_forces else usage


def _view(number_shown: int, worst: Worst) -> StructureFrame:
    frame = worst.split.frames[worst.place].frame
    atoms_slice = slice(worst.split.starts[worst.place], worst.split.starts[worst.place + 1])
    label, prediction = (forces[atoms_slice] for forces in worst.split.evaluation.parity.forces)
    atoms = Atoms(frame.atoms.numbers, frame.atoms.positions, cell=frame.atoms.cell, pbc=frame.atoms.pbc)
    caption = f"{_name(worst)}: {_errors(worst)}."
    known = np.asarray(np.isfinite(label).all(axis=1) & np.isfinite(prediction).all(axis=1))
    error = np.where(known, np.linalg.norm(np.where(known[:, None], prediction - label, 0.0), axis=1), 0.0)
    if len(atoms) > _MOST_ATOMS:
        kept = around(atoms, int(error.argmax()), _MOST_ATOMS)
        caption += f" Of {len(atoms)} atoms, the {_MOST_ATOMS} nearest to the one with the largest error are drawn."
        atoms, label, prediction, known, error = atoms[kept], label[kept], prediction[kept], known[kept], error[kept]
    if not known.any():
        return StructureFrame(str(number_shown), atoms, (), caption)
    label, prediction = (np.where(known[:, None], forces, 0.0) for forces in (label, prediction))
    sizes = np.concatenate([np.linalg.norm(forces, axis=1) for forces in (label, prediction)])
    longest = float(sizes.max())
    scale = min(_LONGEST / longest, _USUAL / float(np.quantile(sizes, 0.9) or longest)) if longest > 0 else 1.0
    caption += f" The longest arrow is a force of {number(longest)} eV/Å."
    arrows = [
        Arrows("reference force", label, palette.REFERENCE, scale),
        Arrows("predicted force", prediction, palette.PREDICTION, scale),
    ]
    return StructureFrame(str(number_shown), atoms, arrows, caption, _notes(label, prediction, error, known))


def around(atoms: Atoms, center: int, count: int) -> np.ndarray:
    """Return the indices, ascending, of the `count` atoms nearest to `center` (included), with periodic boundaries."""
    _, distances = get_distances(atoms.positions[center], atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    return np.sort(np.argsort(distances[0], kind="stable")[:count])


def _notes(label: Array, prediction: Array, error: Array, known: np.ndarray) -> list[str]:
    def vector(values: Array) -> str:
        return " ".join(f"{value:.3f}" for value in values)

    def note(atom: int) -> str:
        if not known[atom]:
            return "no reference force"
        forces = f"reference {vector(label[atom])}, predicted {vector(prediction[atom])} eV/Å"
        return f"{forces}, error {number(1e3 * error[atom])} meV/Å"

    return [note(atom) for atom in range(len(error))]


def _name(worst: Worst) -> str:
    frame = worst.split.frames[worst.place]
    group = f", group {frame.group}" if len(worst.split.evaluation.errors.groups) > 1 else ""
    return f"{short_file(frame.frame.file)}, frame {frame.frame.index} ({worst.split.name}{group})"


def _errors(worst: Worst) -> str:
    errors = []
    if not np.isnan(worst.force_error):
        errors.append(f"force RMSE {number(1e3 * worst.force_error)} meV/Å")
    if not np.isnan(worst.energy_error):
        errors.append(f"energy error {1e3 * worst.energy_error:+.3g} meV/atom")
    return ", ".join(errors)


def _table(worst: Sequence[Worst]) -> Table:
    rows = []
    for place, one in enumerate(worst, 1):
        frame = one.split.frames[one.place]
        rows.append(
            [
                str(place),
                frame.frame.file,
                str(frame.frame.index),
                one.split.name,
                frame.group,
                frame.frame.atoms.get_chemical_formula(),
                "-" if np.isnan(one.force_error) else number(1e3 * one.force_error),
                "-" if np.isnan(one.energy_error) else f"{1e3 * one.energy_error:+.3g}",
            ]
        )
    heads = ["", "file", "frame", "split", "group", "formula", "force RMSE (meV/Å)", "energy error (meV/atom)"]
    return Table(heads, rows, "Frames are counted from 0.", text_columns=(1, 3, 4, 5))
