"""Starting structure of the simulations of a report."""

from __future__ import annotations

from ase import Atoms

from potentials.report.structures.choice import enlarged, kinds
from potentials.report.subject import Subject

_HEIGHT = 8.0
"""Height of periodic cells, A."""
_MOST_ATOMS = 128


def starting_structure(subject: Subject) -> tuple[Atoms | None, str]:
    """Return the frame of lowest energy of the most frequent substance and "", or None and the reason.

    Small periodic cells are repeated until they are 8 A high or have 128 atoms.
    """
    found = kinds(subject)
    if found:
        return enlarged(found[0].calmest, _HEIGHT, _MOST_ATOMS), ""
    if any(len(split) for split in subject.splits.values()):
        return None, (
            "The available frames are isolated atoms, or contain elements that the potential does not support, so "
            "nothing can be simulated. Give a file with structures: potentials report MODEL structures.xyz."
        )
    return None, f"There is no structure to start from: {subject.no_data or 'the data contain no frames'}."
