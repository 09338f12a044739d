"""Section of the report: comparison with the potential that the run started from."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from potentials.config.starting import StartConfig
from potentials.errors import PotentialsError
from potentials.evaluation.evaluate import evaluate
from potentials.evaluation.metrics import PropertyErrors
from potentials.evaluation.predict import predict
from potentials.interop.starting import load_start
from potentials.pages import Mark, Paragraph, Part, Section, Table
from potentials.physics.dimers import dimer_curve
from potentials.potential import Potential
from potentials.report.judging import mark, number
from potentials.report.predictions.evaluated import TRAIN
from potentials.report.structures.choice import known
from potentials.report.subject import Subject
from potentials.training.fine_tuning.replay import labeled_by
from potentials.training.fine_tuning.replay_structures import replay_structures

TITLE = "Comparison with the starting potential"
GOOD = (
    "errors on new data are smaller than before, energies and forces of other substances have changed by less than "
    "the accuracy of the starting potential, and all pairs of atoms that repel each other at short distances in the "
    "starting potential still do."
)
_MOST_FRAMES = 100
"""Frames of each split for which both potentials are compared."""
_GENERATED = 150
_SMALL_CHANGE, _LARGE_CHANGE = 50.0, 250.0
"""meV/A; typical errors of foundation models, and of potentials that are wrong."""
_SHORT = np.linspace(0.5, 0.8, 16)
"""Distances of pairs, relative to the sum of covalent radii."""
_MOST_ELEMENTS = 8


def applies(subject: Subject) -> bool:
    """Return whether the potential started from another one."""
    return "started_from" in subject.potential.metadata


def section(subject: Subject) -> Section:
    """Compare errors on the data of the run, predictions for other substances, and short distances."""
    try:
        start = _start(subject)
    except (PotentialsError, OSError) as error:
        return Section(TITLE, GOOD, missing=f"the starting potential cannot be loaded: {error}")
    parts: list[Part] = []
    if subject.splits:
        parts.append(_errors(subject, start))
    new = sorted({symbol for frame in known(subject).frames for symbol in frame.frame.atoms.get_chemical_symbols()})
    shared = [symbol for symbol in subject.potential.elements if symbol in start.elements]
    others = [symbol for symbol in shared if symbol not in new]
    parts += [*_changes(subject.potential, start, new, others), _pairs(subject.potential, start, new, others)]
    return Section(TITLE, GOOD, parts)


def _start(subject: Subject) -> Potential:
    given = subject.potential.metadata["started_from"]
    settings = {name: given[name] for name in ("file", "head", "sha256") if name in given}
    found = hashlib.sha256(Path(settings["file"]).read_bytes()).hexdigest()
    if "sha256" in settings and found != settings["sha256"]:
        raise PotentialsError(f"{settings['file']} has changed since the run")
    return load_start(StartConfig(**settings), subject.potential.precision).eval().to(subject.potential.scale.device)


def _errors(subject: Subject, start: Potential) -> Table:
    rows: list[list[str | Mark]] = []
    for name, frames in subject.splits.items():
        step = max(1, len(frames) // _MOST_FRAMES)
        chosen = [frames[index] for index in range(0, len(frames), step)]
        chosen = [frame for frame in chosen if set(frame.frame.atoms.symbols) <= set(start.elements)]
        if not chosen:
            continue
        before, after = (evaluate(potential, chosen).errors.errors for potential in (start, subject.potential))
        rows.append([name, str(len(chosen)), *_cells(before), *_cells(after), _smaller(name, before, after)])
    return Table(
        [
            *("split", "frames", "energy before (meV/atom)", "forces before (meV/Å)"),
            *("energy after", "forces after", "change of the force error"),
        ],
        rows,
        "RMSE of the starting potential (before) and of this one (after). Energies of the starting potential may "
        "differ by a constant for each element, if the levels of theory do.",
    )


def _cells(errors: PropertyErrors) -> tuple[str, str]:
    energy, forces = errors.energy_per_atom, errors.forces
    return (
        "-" if energy is None else number(1e3 * energy.rmse),
        "-" if forces is None else number(1e3 * forces.rmse),
    )


def _smaller(name: str, before: PropertyErrors, after: PropertyErrors) -> str | Mark:
    if before.forces is None or after.forces is None or before.forces.rmse == 0:
        return "-"
    ratio = after.forces.rmse / before.forces.rmse
    text = f"{ratio:.2f} times"
    return text if name == TRAIN else mark(ratio, 1.0, 1.5, text)


def _changes(potential: Potential, start: Potential, new: Sequence[str], others: Sequence[str]) -> list[Part]:
    """Compare predictions for generated crystals and clusters, of other elements and of those of the data."""
    rows: list[list[str | Mark]] = []
    for name, elements in ((", ".join(new), new), ("other elements", others)):
        structures = [] if not elements else replay_structures(start, _GENERATED, 1, list(elements))
        labeled = list(labeled_by(start, structures))
        for kind, is_periodic in (("crystals", True), ("clusters", False)):
            chosen = [atoms for atoms in labeled if _is_kind(atoms, is_periodic)]
            if chosen:
                energy, forces, size = _difference(potential, chosen)
                # For the elements of the data, changes are what the run is for.
                is_judged = elements is others
                judged = mark(1e3 * forces, _SMALL_CHANGE, _LARGE_CHANGE) if is_judged else number(1e3 * forces)
                rows.append([f"{kind} of {name}", str(len(chosen)), number(1e3 * energy), judged, number(1e3 * size)])
    if not rows:
        return [Paragraph("The two potentials have no element in common.")]
    heads = ["generated structures", "number", "energy (meV/atom)", "forces (meV/Å)", "RMS force (meV/Å)"]
    caption = (
        "RMS differences between both potentials for strained and displaced crystals and for clusters; for "
        "energies, a fitted constant for each element is subtracted first. If the levels of theory differ, large "
        "differences are expected for the elements of the data."
    )
    return [Table(heads, rows, caption)]


def _is_kind(atoms: Atoms, is_periodic: bool) -> bool:
    """Return whether a structure is a crystal, or a cluster of more than two atoms."""
    return bool(atoms.pbc.all()) if is_periodic else not atoms.pbc.any() and len(atoms) > 2


def _difference(potential: Potential, labeled: Sequence[Atoms]) -> tuple[float, float, float]:
    """Return RMS differences of energies per atom and forces from the labels, and the RMS force of the labels."""
    predicted = list(predict(potential, labeled))
    difference = np.array([_energy(ours) - _energy(theirs) for ours, theirs in zip(predicted, labeled, strict=True)])
    elements = sorted({symbol for atoms in labeled for symbol in atoms.symbols})
    fractions = np.array([[np.mean(atoms.symbols == symbol) for symbol in elements] for atoms in labeled])
    constants = np.linalg.lstsq(fractions, difference, rcond=1e-10)[0]
    forces = [ours.get_forces() - theirs.get_forces() for ours, theirs in zip(predicted, labeled, strict=True)]
    return (
        float(np.sqrt(np.mean((difference - fractions @ constants) ** 2))),
        _rms(forces),
        _rms([theirs.get_forces() for theirs in labeled]),
    )


def _energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy()) / len(atoms)


def _rms(arrays: Sequence[NDArray[np.float64]]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([values.flatten() for values in arrays]) ** 2)))


def _pairs(potential: Potential, start: Potential, new: Sequence[str], others: Sequence[str]) -> Table:
    """List pairs of atoms that have lost their repulsion at short distances."""
    elements = [*new, *others][:_MOST_ELEMENTS]
    pairs = [pair for pair in itertools.combinations_with_replacement(elements, 2) if set(pair) <= set(start.elements)]
    before = {pair: _attraction(start, pair) for pair in pairs}
    after = {pair: _attraction(potential, pair) for pair in pairs}
    lost = [pair for pair in pairs if before[pair] is None and after[pair] is not None]
    rows: list[list[str | Mark]] = [
        ["-".join(pair), Mark("look", f"attractive at {after[pair]:.2f} Å")] for pair in lost
    ]
    repelled = sum(distance is None for distance in before.values())
    rows.append([f"other pairs of {', '.join(elements)}", Mark("good", f"{repelled - len(lost)} of {repelled} repel")])
    caption = "Pairs of atoms at 0.5 to 0.8 times the sum of covalent radii that repelled each other before."
    return Table(["pair", "short distances"], rows, caption)


def _attraction(potential: Potential, pair: tuple[str, str]) -> float | None:
    """Return the longest of the short distances at which two atoms attract each other, A; None if they repel."""
    radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in pair)
    curve = dimer_curve(potential, pair, (radii * _SHORT).tolist())
    attractive = curve.distances[curve.forces < 0]
    return float(attractive.max()) if len(attractive) else None
