from __future__ import annotations

from collections.abc import Callable

import pytest
from ase import Atoms

from potentials.data.label import LabeledFrame, is_isolated_atom, separate_isolated_atoms

IN_BOX = {"cell": [20, 20, 20], "pbc": True}


@pytest.mark.parametrize(
    ("atoms", "group", "expected"),
    [
        (Atoms("H"), "default", True),
        (Atoms("H", cell=[20, 20, 20]), "default", True),
        (Atoms("H", **IN_BOX), "IsolatedAtom", True),
        (Atoms("H", **IN_BOX), "isolated_atom", True),
        (Atoms("H", **IN_BOX), "isolated", True),
        (Atoms("Cu", **IN_BOX), "bulk", False),
        (Atoms("Cu", cell=[2.5, 20, 20], pbc=[True, False, False]), "default", False),
        (Atoms("H2", [[0, 0, 0], [0, 0, 1]]), "isolated_atom", False),
    ],
)
def test_recognition(atoms: Atoms, group: str, expected: bool, labeled: Callable[..., LabeledFrame]) -> None:
    assert is_isolated_atom(labeled(atoms, group=group)) is expected


def test_config_type_counts_when_groups_have_another_key(labeled: Callable[..., LabeledFrame]) -> None:
    assert is_isolated_atom(labeled(Atoms("H", info={"config_type": "Isolated_Atom"}, **IN_BOX), group="A"))


def test_separation_keeps_the_order(labeled: Callable[..., LabeledFrame]) -> None:
    frames = [labeled(Atoms(symbols), index) for index, symbols in enumerate(["H2", "H", "O2", "O", "H3"])]
    rest, isolated = separate_isolated_atoms(frames)
    assert [frame.frame.index for frame in rest] == [0, 2, 4]
    assert [frame.frame.index for frame in isolated] == [1, 3]
