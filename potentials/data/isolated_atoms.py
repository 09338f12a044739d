"""Frames that hold one isolated atom: they give reference energies and are not trained on."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from potentials.data.labels import LabelledFrame

_GROUP_NAMES = {"isolated", "isolatedatom", "isolatedatoms"}


def is_isolated_atom(labelled: LabelledFrame) -> bool:
    """Whether a frame is a single atom that is not periodic, or whose group is called `isolated_atom` or the like."""
    return holds_isolated_atom(labelled.frame.atoms, labelled.group)


def holds_isolated_atom(atoms: Atoms, group: str = "") -> bool:
    """The same of a structure whose labels have not been read."""
    if len(atoms) != 1:
        return False
    names = (group, str(atoms.info.get("config_type", "")))
    called_isolated = any(_normalized(name) in _GROUP_NAMES for name in names)
    return called_isolated or not bool(atoms.pbc.any())


def separate_isolated_atoms(frames: Sequence[LabelledFrame]) -> tuple[list[LabelledFrame], list[LabelledFrame]]:
    """The frames to learn from, and the isolated atoms among them."""
    isolated = [labelled for labelled in frames if is_isolated_atom(labelled)]
    rest = [labelled for labelled in frames if not is_isolated_atom(labelled)]
    return rest, isolated


def _normalized(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
