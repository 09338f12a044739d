from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potentials.data.audit.checks import (
    check_cutoff,
    check_neighbors,
    find_contacts,
)
from potentials.data.findings import Findings
from potentials.data.infer import Statistics
from potentials.data.label import LabeledFrame
from potentials.data.split import SplitInMemory
from potentials.errors import DataError

Labeled = Callable[..., LabeledFrame]


def test_cutoff() -> None:
    check_cutoff(15.0)
    with pytest.raises(DataError, match=r"the cutoff of 15\.5 A is unreasonably large"):
        check_cutoff(15.5)
    for cutoff in (0.0, -1.0, 1e-30, float("nan")):
        with pytest.raises(DataError, match=r"expected at least 0\.1 A"):
            check_cutoff(cutoff)


STATISTICS = Statistics(
    num_frames=2, num_atoms=10, num_edges=100, average_neighbors=10.0, atoms_without_neighbors=0, forces_rms=1.0,
    forces_rms_per_element={}, residual_mean=0.0, residual_std=0.0,
)  # fmt: skip


def test_neighbors() -> None:
    findings = Findings()
    check_neighbors(STATISTICS, 5.0, findings)
    assert findings.warnings == []
    check_neighbors(replace(STATISTICS, average_neighbors=500.0, atoms_without_neighbors=3), 12.0, findings)
    assert findings.warnings[0].startswith("an atom has 500 neighbors on average within model.cutoff = 12 A")
    assert findings.warnings[1].startswith("3 of 10 atoms of the training frames have no neighbor within")


@pytest.mark.parametrize(
    ("atoms", "close"),
    [
        (molecule("CH3CH2OH"), False),
        (bulk("Cu"), False),
        (Atoms("H2", [[0, 0, 0], [0, 0, 0.41]]), False),  # half of two radii of 0.31 A is less than 0.4 A
        (Atoms("H2", [[0, 0, 0], [0, 0, 0.39]]), True),
        (Atoms("Cu2", [[0, 0, 0], [0, 0, 1.33]]), False),  # half of two radii of 1.32 A
        (Atoms("Cu2", [[0, 0, 0], [0, 0, 1.31]]), True),
        (Atoms("Cu", cell=[1.2, 9, 9], pbc=True), True),  # with its own image
        (Atoms("Cu2", [[0, 0, 0.1], [0, 0, 8.9]], cell=[9, 9, 9], pbc=True), True),
        (Atoms("Cu2", [[0, 0, 0.1], [0, 0, 8.9]], cell=[9, 9, 9]), False),
        (Atoms("Cu2", [[1, 1, 1], [1, 1, 1]]), True),
    ],
)
def test_atoms_on_top_of_each_other(atoms: Atoms, close: bool, labeled: Labeled) -> None:
    found = find_contacts([labeled(molecule("H2O"), 0), labeled(atoms, 7)])
    assert [frame.index for frame, _ in found] == ([7] if close else [])
    if close:
        assert found[0][1] == pytest.approx(atoms.get_all_distances(mic=True)[0, -1] if len(atoms) > 1 else 1.2)


def test_structure_hash_sees_the_structure_only(labeled: Labeled) -> None:
    atoms = Atoms("HO", [[0, 0, 0], [0, 0, 1]], cell=[3, 3, 3], pbc=[True, True, False])

    def hashed(labeled: LabeledFrame) -> int:
        return int(SplitInMemory([labeled]).structure_hashes(1.0)[0])

    reference = hashed(labeled(atoms))
    same, moved, swapped, wider, taller, other = (atoms.copy() for _ in range(6))
    moved.positions[1, 0] += 1e-4
    swapped.numbers = [8, 1]
    wider.cell[0, 0] = 4
    taller.cell[2, 2] = 4  # not a periodic direction
    other.pbc = True
    assert hashed(labeled(same, 4, "other.xyz", energy=1.0)) == reference
    assert hashed(labeled(taller)) == reference
    assert len({hashed(labeled(a)) for a in (atoms, moved, swapped, wider, other)}) == 5
    assert np.array_equal(atoms.positions, same.positions)
