"""The measured error under rotations: rounding for exact families, finite and honest for a grid."""

from __future__ import annotations

import numpy as np
import pytest
from physics.cases import Case, cases
from physics.evaluation import predict
from scipy.spatial.transform import Rotation

from potentials.analysis.symmetry import rotation_error
from potentials.clusters import rattled_cluster

GRID = next(case for case in cases() if str(case) == "ponita orientations")


@pytest.mark.parametrize("case", [case for case in cases() if str(case) != str(GRID)], ids=str)
def test_exact_families(case: Case) -> None:
    error = rotation_error(case.potential())
    assert error.forces < 1e-11 * error.force_size
    assert error.energy < 1e-10


def test_a_grid_of_orientations() -> None:
    """The same as the spread of forces that are turned back one by one."""
    potential = GRID.potential()
    cluster = rattled_cluster(potential.elements, 1.0)
    rotations = Rotation.random(12, random_state=0).as_matrix() * np.array([1.0, -1.0] * 6)[:, None, None]
    found = []
    for rotation in rotations:
        turned = cluster.copy()
        turned.positions = np.einsum("ij,aj->ai", rotation, cluster.positions)
        found.append(np.einsum("ji,aj->ai", rotation, predict(potential, turned).forces))
    expected = np.std(found, axis=0)
    error = rotation_error(potential)
    assert error.forces == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-9)
    assert error.forces > 1e-3 * error.force_size
