"""The reduced cell of a lattice against a search over all short vectors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase.build import bulk

from potentials.data.geometry import reduced_cell
from potentials.data.geometry.lattice import LARGEST_DEFECT

ALL = np.ones(3, dtype=bool)


def shortest(cell: np.ndarray, rank: int) -> list[float]:
    """The successive minima of a lattice by brute force over coefficients, from a basis that is nearly reduced."""
    found: list[np.ndarray] = []
    steps = [np.array(step) for step in itertools.product(range(-4, 5), repeat=len(cell)) if any(step)]
    for vector in sorted((step @ cell for step in steps), key=np.linalg.norm):
        if np.linalg.matrix_rank(np.array([*found, vector]), tol=1e-8) > len(found):
            found.append(vector)
        if len(found) == rank:
            break
    return [float(np.linalg.norm(vector)) for vector in found]


def skewed(random: np.random.Generator, size: int, steps: int) -> np.ndarray:
    """An integer matrix of determinant +-1."""
    change = np.eye(size, dtype=np.int64)
    for _ in range(steps):
        one, two = random.choice(size, 2, replace=False)
        change[one] += random.integers(-5, 6) * change[two]
    return change[random.permutation(size)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("crystal", ["fcc", "bcc", "sc", "random"])
def test_reduced_vectors_are_the_shortest(seed: int, crystal: str) -> None:
    random = np.random.default_rng(seed)
    short = (
        0.7 * random.normal(size=(3, 3)) + 3 * np.eye(3)
        if crystal == "random"
        else bulk("Cu", crystal, a=3.6).cell.array
    )
    given = skewed(random, 3, 6) @ short
    reduced, change = reduced_cell(given, ALL)
    assert abs(round(np.linalg.det(change))) == 1
    np.testing.assert_allclose(change @ given, reduced, atol=1e-9)
    lengths = np.linalg.norm(reduced, axis=1)
    if not np.array_equal(change, np.eye(3)):
        assert sorted(lengths) == pytest.approx(shortest(short, 3), rel=1e-6)
    assert lengths.prod() / abs(np.linalg.det(reduced)) <= LARGEST_DEFECT + 1e-9


@pytest.mark.parametrize("periodic", [(1, 1, 0), (1, 0, 1), (0, 1, 1)])
def test_vectors_of_other_directions_stay(periodic: tuple[int, int, int]) -> None:
    pbc = np.array(periodic, dtype=bool)
    short = np.array([[2.1, 0.3, 0.0], [-0.4, 2.4, 0.2]])
    given = np.full((3, 3), 7.0)
    given[pbc] = np.array([[1, 1000], [1, 1001]]) @ short
    reduced, change = reduced_cell(given, pbc)
    np.testing.assert_array_equal(reduced[~pbc], given[~pbc])
    np.testing.assert_array_equal(change[~pbc], np.eye(3)[~pbc])
    assert sorted(np.linalg.norm(reduced[pbc], axis=1)) == pytest.approx(shortest(short, 2), rel=1e-6)


def test_usual_cells_stay_as_they_are() -> None:
    for structure in ("fcc", "bcc", "sc", "hcp"):
        cell = bulk("Cu", structure, a=3.6).cell.array
        reduced, change = reduced_cell(cell, ALL)
        np.testing.assert_array_equal(reduced, cell)
        np.testing.assert_array_equal(change, np.eye(3))
