"""Selection of structures of the data set that a report computes with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from potentials.data.geometry import heights
from potentials.data.label import LabeledFrame
from potentials.report.subject import Subject

MOST_FRAMES = 500
"""Largest number of evenly spaced frames of a split that are examined; frames may have to be read from their files."""
_NEARLY = 0.005
"""eV/atom; among frames this close to the lowest energy the smallest is selected."""
_TEMPERATURE = re.compile(r"(?<![\d.])(\d{2,4}) ?K(?![a-zA-Z])")


@dataclass(frozen=True, eq=False)
class Known:
    """Frames that the potential was trained on, or a substitute."""

    frames: Sequence[LabeledFrame]
    """At most `MOST_FRAMES` frames, evenly spaced."""
    name: str
    """Name in a sentence, such as "the training data"."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Frames of one substance: the same composition, periodic in the same directions."""

    formula: str
    pbc: tuple[bool, bool, bool]
    frames: Sequence[LabeledFrame]

    @property
    def calmest(self) -> Atoms:
        """Return the frame of lowest energy per atom, or of smallest forces without energies; of equals the smallest.

        The result is a copy without results, constraints and velocities.
        """
        energies = np.array([frame.energy / len(frame.frame.atoms) for frame in self.frames])
        sizes = np.array([len(frame.frame.atoms) for frame in self.frames])
        if np.isfinite(energies).any():
            near = np.flatnonzero(energies <= np.nanmin(energies) + _NEARLY)
            order = near[np.lexsort((energies[near], sizes[near]))]
        else:
            order = np.lexsort((sizes, np.array([_largest_force(frame) for frame in self.frames])))
        return bare(self.frames[int(order[0])].frame.atoms)


def known(subject: Subject) -> Known:
    """Return the training frames if available, else all frames of the report, which may be empty."""
    if "train" in subject.splits:
        return Known(_spaced(subject.splits["train"]), "the training data")
    return Known([frame for split in subject.splits.values() for frame in _spaced(split)], "the data given")


def kinds(subject: Subject) -> list[Kind]:
    """Return the substances to simulate, the most frequent first, without isolated atoms and unsupported elements.

    They are taken from the data given for the report, else from the training data.
    """
    found: dict[tuple[str, tuple[bool, bool, bool]], list[LabeledFrame]] = {}
    for frame in _to_simulate(subject):
        atoms = frame.frame.atoms
        if set(atoms.get_chemical_symbols()) <= set(subject.potential.elements) and not _is_lone(atoms):
            found.setdefault((_formula(atoms), _pbc(atoms)), []).append(frame)
    by_number = sorted(found.items(), key=lambda item: -len(item[1]))
    return [Kind(formula, pbc, frames) for (formula, pbc), frames in by_number]


def _to_simulate(subject: Subject) -> Sequence[LabeledFrame]:
    given = {name: split for name, split in subject.splits.items() if name != "train"}
    if "validation" in given or not given:  # the splits of a run
        return known(subject).frames
    return [frame for split in given.values() for frame in _spaced(split)]


def bare(atoms: Atoms) -> Atoms:
    """Copy elements, positions, cell and periodicity only."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def enlarged(atoms: Atoms, height: float, most_atoms: int) -> Atoms:
    """Repeat along periodic directions, the thinnest first, up to a given height (A) or number of atoms."""
    repeats = np.ones(3, dtype=int)
    lengths = np.full(3, np.inf)
    lengths[atoms.pbc] = heights(atoms.cell.array, atoms.pbc)
    while True:
        thinnest = int(np.argmin(lengths * repeats))
        larger = repeats + (np.arange(3) == thinnest)
        if lengths[thinnest] * repeats[thinnest] >= height or len(atoms) * larger.prod() > most_atoms:
            return atoms.repeat(tuple(int(count) for count in repeats))
        repeats = larger


def named_temperature(subject: Subject) -> int | None:
    """Return the highest temperature (K) in names of splits, files and groups, such as `300K`; `None` without one."""
    names = set(subject.splits)
    for frame in known(subject).frames:
        names |= {frame.group, frame.frame.file.rpartition("/")[2]}
    found = [int(text) for name in names for text in _TEMPERATURE.findall(name.replace("_", " "))]
    return max(found, default=None)


def _spaced(frames: Sequence[LabeledFrame]) -> list[LabeledFrame]:
    count = min(len(frames), MOST_FRAMES)
    return [frames[index * len(frames) // count] for index in range(count)]


def _largest_force(frame: LabeledFrame) -> float:
    largest = float(np.linalg.norm(frame.forces, axis=1).max())
    return largest if np.isfinite(largest) else np.inf


def _is_lone(atoms: Atoms) -> bool:
    return len(atoms) == 1 and not atoms.pbc.any()


def _formula(atoms: Atoms) -> str:
    return str(atoms.symbols.formula.reduce()[0].format("hill"))


def _pbc(atoms: Atoms) -> tuple[bool, bool, bool]:
    first, second, third = (bool(periodic) for periodic in atoms.pbc)
    return first, second, third
