"""Rotations, reflections, translations and permutations leave the physics as it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from families.cases import Case
from families.evaluation import assert_close, predict
from families.structures import STRUCTURES, crystal, ethanol
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from potentials.potential import Potential

ROTATION = Rotation.random(random_state=1).as_matrix()
TRANSFORMATIONS = {
    "rotation": ROTATION,
    "reflection": ROTATION @ np.diag([1.0, 1.0, -1.0]) @ ROTATION.T,
    "inversion": -np.eye(3),
    "rotation and reflection": ROTATION @ np.diag([-1.0, 1.0, 1.0]),
}


def transformed(atoms: Atoms, matrix: NDArray) -> Atoms:
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ matrix.T)
    moved.positions = atoms.positions @ matrix.T
    return moved


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_rotations_and_reflections(name: str, transformation: str, case: Case, potential: Potential) -> None:
    atoms, matrix = STRUCTURES[name](), TRANSFORMATIONS[transformation]
    if np.linalg.det(matrix) < 0 and not case.variant.reflections:
        return
    before, after = predict(potential, atoms), predict(potential, transformed(atoms, matrix))
    tolerance = case.variant.symmetry_tolerance
    assert_close(after.energy, before.energy, tolerance)
    assert_close(after.node_energies, before.node_energies, tolerance)
    assert_close(after.forces, before.forces @ matrix.T, tolerance)
    assert_close(after.stress, matrix @ before.stress @ matrix.T, tolerance)
    assert_close(after.node_virials, matrix @ before.node_virials @ matrix.T, tolerance)


@pytest.mark.parametrize("name", STRUCTURES)
def test_translations(name: str, case: Case, potential: Potential) -> None:
    atoms = STRUCTURES[name]()
    moved = atoms.copy()
    moved.positions += [1.234, -5.678, 0.321]
    before, after = predict(potential, atoms), predict(potential, moved)
    for actual, expected in zip(after, before, strict=True):
        assert_close(actual, expected, case.variant.symmetry_tolerance)


@pytest.mark.parametrize("name", STRUCTURES)
def test_permutations(name: str, case: Case, potential: Potential) -> None:
    atoms = STRUCTURES[name]()
    order = np.roll(np.arange(len(atoms))[::-1], 1)
    before, after = predict(potential, atoms), predict(potential, atoms[order])
    tolerance = case.variant.symmetry_tolerance
    assert_close(after.energy, before.energy, tolerance)
    assert_close(after.stress, before.stress, tolerance)
    for actual, expected in zip(after[1:3], before[1:3], strict=True):
        assert_close(actual, expected[order], tolerance)
    assert_close(after.node_virials, before.node_virials[order], tolerance)


@pytest.mark.parametrize("build", [ethanol, crystal])
def test_exchanging_elements_is_no_symmetry(build: Callable[[], Atoms], potential: Potential) -> None:
    atoms = build()
    carbon, oxygen = (list(atoms.symbols).index(symbol) for symbol in "CO")
    exchanged = atoms.copy()
    exchanged.numbers[[carbon, oxygen]] = exchanged.numbers[[oxygen, carbon]]
    assert abs(predict(potential, exchanged).energy - predict(potential, atoms).energy) > 1e-3


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_net_force_and_no_net_torque(name: str, case: Case, potential: Potential) -> None:
    atoms = STRUCTURES[name]()
    result = predict(potential, atoms)
    tolerance = case.variant.symmetry_tolerance
    assert_close(result.forces.sum(axis=0), np.zeros(3), tolerance)
    # Where nothing is periodic this is the vanishing torque; with images the virial is what must be symmetric.
    virial = result.node_virials.sum(axis=0)
    assert_close(virial, virial.T, tolerance)
    if not atoms.pbc.any():
        assert_close(np.cross(atoms.positions, result.forces).sum(axis=0), np.zeros(3), 10 * tolerance)
