"""Frames that hold one isolated atom: they give reference energies and are not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ase import Atoms

from potentials.data.label.labels import LabelledFrame

_GROUP_NAMES = {"isolated", "isolatedatom", "isolatedatoms"}


def is_isolated_atom(labelled: LabelledFrame) -> bool:
    """Whether a frame is a single atom that is not periodic, or whose group is called `isolated_atom` or the like."""
    return holds_isolated_atom(labelled.frame.atoms, labelled.group)


def holds_isolated_atom(atoms: Atoms, group: str = "") -> bool:
    """The same of a structure whose labels have not been read."""
    return is_isolated(len(atoms), bool(atoms.pbc.any()), (group, str(atoms.info.get("config_type", ""))))


def is_isolated(num_atoms: int, periodic: bool, names: Iterable[str]) -> bool:
    """The same of a structure that is called `names` and periodic in any direction or not."""
    if num_atoms != 1:
        return False
    return not periodic or any(_normalized(name) in _GROUP_NAMES for name in names)


def isolated_atoms_use(part: str) -> str:
    """What is done with those among the files of a part, in words."""
    return "they give reference energies only" if part == "training" else "they are left out"


def separate_isolated_atoms(frames: Sequence[LabelledFrame]) -> tuple[list[LabelledFrame], list[LabelledFrame]]:
    """The frames to learn from, and the isolated atoms among them."""
    isolated = [labelled for labelled in frames if is_isolated_atom(labelled)]
    rest = [labelled for labelled in frames if not is_isolated_atom(labelled)]
    return rest, isolated


def _normalized(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
