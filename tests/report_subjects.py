"""What reports of tests are about: Morse pairs, and frames of copper and oxygen of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from morse_family import morse_oracle, morse_potential

from potentials.data.label import LabeledFrame
from potentials.data.read import Frame
from potentials.pages import Row, Section, Table
from potentials.pages.content import Part
from potentials.potential import Potential
from potentials.report.subject import Subject


def labeled(structures: Sequence[Atoms], *, labels: bool = True, file: str = "frames.xyz") -> list[LabeledFrame]:
    """Frames with the energies and forces of ASE's Morse potential, or without labels; stress is never there."""
    frames = []
    for index, atoms in enumerate(structures):
        energy, forces = float("nan"), np.full((len(atoms), 3), np.nan)
        if labels:
            copy = atoms.copy()
            copy.calc = morse_oracle()
            energy, forces = copy.get_potential_energy(), copy.get_forces()
        frames.append(LabeledFrame(Frame(atoms, file, index), energy, forces, np.full((3, 3), np.nan)))
    return frames


def subject(
    parts: Mapping[str, Sequence[LabeledFrame]], potential: Potential | None = None, budget: float = 3.0
) -> Subject:
    """Of a potential of Morse pairs; its file is nowhere."""
    potential = morse_potential() if potential is None else potential
    return Subject(potential, Path("nowhere.potential"), parts, None, budget)


def tables(section: Section) -> list[Table]:
    """All tables of a section."""
    return [part for part in _flat(section.parts) if isinstance(part, Table)]


def cells(section: Section) -> list[str]:
    """All texts of all tables."""
    found = [cell for table in tables(section) for row in table.rows for cell in row]
    return [cell if isinstance(cell, str) else cell.text for cell in found]


def kinds_of_marks(section: Section) -> list[str]:
    """The judgments of all tables."""
    found = [cell for table in tables(section) for row in table.rows for cell in row]
    return [cell.kind for cell in found if not isinstance(cell, str)]


def _flat(parts: Sequence[Part]) -> list[Part]:
    found: list[Part] = []
    for part in parts:
        found += _flat(part.parts) if isinstance(part, Row) else [part]
    return found
