"""Frames of one isolated atom, which give reference energies and are not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ase import Atoms

from potentials.data.label.labels import LabeledFrame

_GROUP_NAMES = {"isolated", "isolatedatom", "isolatedatoms"}


def is_isolated_atom(labeled: LabeledFrame) -> bool:
    """Return whether a frame is an isolated atom: one atom, not periodic or in a group such as `isolated_atom`."""
    return holds_isolated_atom(labeled.frame.atoms, labeled.group)


def holds_isolated_atom(atoms: Atoms, group: str = "") -> bool:
    """Return whether a structure, whose labels have not been read, is an isolated atom."""
    return is_isolated(len(atoms), bool(atoms.pbc.any()), (group, str(atoms.info.get("config_type", ""))))


def is_isolated(num_atoms: int, periodic: bool, names: Iterable[str]) -> bool:
    """Return whether a structure is an isolated atom, given its size, periodicity in any direction, and group names."""
    if num_atoms != 1:
        return False
    return not periodic or any(_normalized(name) in _GROUP_NAMES for name in names)


def isolated_atoms_use(split: str) -> str:
    """Describe how isolated atoms in the files of a split are used."""
    return "they are used for reference energies only" if split == "training" else "they are left out"


def separate_isolated_atoms(frames: Sequence[LabeledFrame]) -> tuple[list[LabeledFrame], list[LabeledFrame]]:
    """Split frames into those for training and isolated atoms, in this order."""
    isolated = [labeled for labeled in frames if is_isolated_atom(labeled)]
    rest = [labeled for labeled in frames if not is_isolated_atom(labeled)]
    return rest, isolated


def _normalized(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
