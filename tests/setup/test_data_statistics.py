"""Figures of a data set against the same by other means."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from potentials.data.label.labels import LabeledFrame
from potentials.data.read.frames import Frame
from potentials.setup.data_statistics import data_statistics


def labeled(atoms: Atoms, energy: float, forces: float | None, group: str = "default") -> LabeledFrame:
    values = np.full((len(atoms), 3), np.nan if forces is None else forces)
    stress = -2.0 * np.eye(3) if atoms.pbc.all() else np.full((3, 3), np.nan)
    return LabeledFrame(Frame(atoms, "a.xyz", 0), energy, values, stress, group=group)


def test_by_hand() -> None:
    water, copper = molecule("H2O"), bulk("Cu", cubic=True)
    frames = [labeled(water, -3.0, 1.0), labeled(water, -6.0, None), labeled(copper, np.nan, 2.0, "bulk")]
    found = data_statistics(frames, 3.0)
    assert (found.frames, found.periodic, found.partly_periodic) == (3, 1, 0)
    assert found.compositions == {"H2O": 2, "Cu4": 1}
    assert found.groups == {"default": 2, "bulk": 1}
    assert (found.energy_per_atom.mean, found.energy_per_atom.count) == (-1.5, 2)
    assert found.largest_force.maximum == pytest.approx(2 * 3**0.5)
    assert found.pressure.mean == 2.0
    assert found.volume_per_atom.mean == pytest.approx(3.61**3 / 4)
    assert list(found.elements) == ["H", "O", "Cu"]
    assert (found.elements["H"].atoms, found.elements["H"].frames) == (4, 2)
    assert found.elements["H"].forces_rms == 1.0
    assert found.elements["Cu"].neighbors == 12
    assert found.elements["O"].neighbors == 2
    distances = water.get_all_distances()
    assert found.shortest_distances == pytest.approx(
        {"Cu-Cu": 3.61 / 2**0.5, "H-H": distances[1, 2], "H-O": distances[0, 1]}
    )
    assert data_statistics(frames[1:2], 3.0).to_json()["elements"]["H"]["forces_rms"] is None
