"""The neighbor list against brute force over all images, written here without any cell list."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list as ase_neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from potentials.data.geometry import neighbor_list
from potentials.errors import DataError

Edge = tuple[int, int, int, int, int]


def brute_force(positions: NDArray, cell: NDArray, pbc: NDArray, cutoff: float) -> set[Edge]:
    """All (receiver, sender, shift) by looking at every image that could be in range."""
    cell = np.where(pbc[:, None], cell, 0.0)
    # The planes of a periodic direction are 1/|reciprocal vector| apart, so |shift| is bounded by reach / distance.
    reach = cutoff + 2 * np.linalg.norm(positions - positions.mean(axis=0), axis=1).max()
    limits = [0, 0, 0]
    directions = np.flatnonzero(pbc)
    if len(directions):
        reciprocal = np.linalg.pinv(cell[directions]).T
        for direction, vector in zip(directions, reciprocal, strict=True):
            limits[direction] = int(np.ceil(reach * np.linalg.norm(vector)))
    edges = set()
    for shift in itertools.product(*(range(-limit, limit + 1) for limit in limits)):
        vectors = positions[None, :] - positions[:, None] + np.array(shift) @ cell  # [sender, receiver]
        for sender, receiver in zip(*np.nonzero(np.linalg.norm(vectors, axis=-1) < cutoff), strict=True):
            if sender != receiver or any(shift):
                edges.add((int(receiver), int(sender), *shift))
    return edges


def as_list(edge_index: NDArray, cell_shifts: NDArray) -> list[Edge]:
    return [
        (int(receiver), int(sender), *(int(s) for s in shift))
        for sender, receiver, shift in zip(*edge_index, cell_shifts, strict=True)
    ]


def random_structure(seed: int) -> tuple[NDArray, NDArray, NDArray]:
    """1 to 6 atoms, also outside of a skewed cell, left-handed or not, with little or nothing where not periodic."""
    random = np.random.default_rng(seed)
    pbc = random.integers(0, 2, 3).astype(bool)
    while True:
        cell = random.normal(scale=2.5, size=(3, 3))
        lengths = np.linalg.norm(cell, axis=1)
        if abs(np.linalg.det(cell)) > 0.15 * lengths.prod() and lengths.min() > 1.0:
            break
    cell[~pbc] *= random.choice([0.0, 0.01, 1.0])
    positions = random.normal(scale=random.choice([0.5, 4.0]), size=(random.integers(1, 7), 3))
    return positions, cell, pbc


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), cutoff=st.sampled_from([0.3, 2.0, 3.5]))
def test_random_cells_agree_with_brute_force(seed: int, cutoff: float) -> None:
    positions, cell, pbc = random_structure(seed)
    edges = as_list(*neighbor_list(positions, cell, pbc, cutoff))
    # The expected list is sorted by receiver, sender and shift, so equality tests order and multiplicity as well.
    assert edges == sorted(brute_force(positions, cell, pbc, cutoff))


@pytest.mark.parametrize("times", [3, 11, -40, 1000, 100_000])
@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0)])
def test_a_very_skewed_cell_gives_the_neighbors_of_the_ordinary_one(times: int, pbc: tuple[int, int, int]) -> None:
    """a + n b spans the lattice of a and b: the same vectors, and the shifts that belong to the cell given."""
    periodic = np.array(pbc, dtype=bool)
    atoms = bulk("Cu", a=3.7) * (2, 1, 1)
    positions = atoms.positions + np.random.default_rng(1).normal(scale=2.0, size=(2, 3))
    change = np.array([[1, times, 0], [0, 1, 0], [0, -2 if pbc[2] else 0, 1]])
    expected = brute_force(positions, atoms.cell.array, periodic, 4.5)
    edges = as_list(*neighbor_list(positions, change @ atoms.cell.array, periodic, 4.5))
    assert edges == sorted(edges)
    assert {(i, j, *(np.array(shift) @ change)) for i, j, *shift in edges} == expected


@pytest.mark.parametrize("pbc", [(1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
@pytest.mark.parametrize("vacuum", ["zero", "parallel", "skewed"])
def test_partial_periodicity_ignores_the_other_cell_vectors(pbc: tuple[int, int, int], vacuum: str) -> None:
    periodic = np.array(pbc, dtype=bool)
    cell = np.array([[2.1, 0.3, 0.0], [-0.4, 2.4, 0.2], [0.1, 0.5, 2.9]])
    other = {"zero": np.zeros(3), "parallel": cell[periodic][0], "skewed": np.array([9.0, 8.0, 7.0])}[vacuum]
    cell[~periodic] = other
    positions = np.array([[0.0, 0.0, 0.0], [1.1, 0.7, 5.3], [-7.0, 3.0, 0.4], [6.0, -8.0, -9.0]])
    edges = as_list(*neighbor_list(positions, cell, periodic, 3.0))
    assert edges == sorted(brute_force(positions, cell, periodic, 3.0))
    assert edges


def test_a_cell_much_smaller_than_the_cutoff() -> None:
    atoms = bulk("Cu")  # one atom, nearest images at 2.55 A
    edge_index, shifts = neighbor_list(atoms.positions, atoms.cell, atoms.pbc, 7.5)
    assert as_list(edge_index, shifts) == sorted(brute_force(atoms.positions, atoms.cell.array, atoms.pbc, 7.5))
    shells = np.unique(np.round(np.linalg.norm(shifts @ atoms.cell.array, axis=1) / (3.61 / np.sqrt(2)), 6))
    np.testing.assert_allclose(shells**2, np.arange(1, 9), atol=1e-4)  # fcc shells are at sqrt(1), sqrt(2), ...


def test_left_handed_cell_gives_as_many_edges_as_its_mirror_image() -> None:
    positions, cell = np.random.default_rng(3).uniform(-4, 4, (5, 3)), np.array([[3, 0, 1], [0, 4, 0], [1, 0, 3.5]])
    pbc = np.ones(3, dtype=bool)
    left = neighbor_list(positions, cell[[1, 0, 2]], pbc, 4.0)[0]
    right = neighbor_list(positions, cell, pbc, 4.0)[0]
    np.testing.assert_array_equal(left, right)


def test_moving_atoms_by_cell_vectors_changes_shifts_only() -> None:
    positions, cell, pbc = np.random.default_rng(5).uniform(0, 3, (4, 3)), 3.0 * np.eye(3), np.ones(3, dtype=bool)
    moved = positions + np.array([[0, 0, 0], [3, 0, -6], [-30, 3, 0], [0, 9, 300]])

    def vectors(x: NDArray) -> NDArray:
        (sender, receiver), shifts = neighbor_list(x, cell, pbc, 3.5)
        r = x[receiver] - x[sender] + shifts @ cell
        return np.array(sorted(map(tuple, np.column_stack([receiver, sender, np.round(r, 9) + 0.0]))))

    np.testing.assert_allclose(vectors(moved), vectors(positions), atol=1e-8)


def test_agrees_with_ase_on_a_larger_crystal() -> None:
    atoms = bulk("Si", cubic=True) * (3, 2, 2)
    atoms.rattle(0.3, seed=1)
    edge_index, shifts = neighbor_list(atoms.positions, atoms.cell, atoms.pbc, 5.0)
    i, j, ase_shifts = ase_neighbor_list("ijS", atoms, 5.0)
    expected = sorted((int(b), int(a), *map(int, s)) for a, b, s in zip(i, j, ase_shifts, strict=True))
    assert as_list(edge_index, shifts) == expected


def test_every_edge_has_its_reverse() -> None:
    # Distances of exactly the cutoff up to rounding are the hard case: a = 3 and a cutoff of 3.
    edge_index, shifts = neighbor_list(np.full((1, 3), 0.1), 3.0 * np.eye(3), [True] * 3, 3.0 + 1e-15)
    edges = set(as_list(edge_index, shifts))
    assert {(sender, receiver, -a, -b, -c) for receiver, sender, a, b, c in edges} == edges


def test_the_cutoff_is_exclusive() -> None:
    pair = [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]
    assert neighbor_list(pair, np.zeros((3, 3)), [False] * 3, 2.0)[0].shape == (2, 0)
    assert neighbor_list(pair, np.zeros((3, 3)), [False] * 3, np.nextafter(2.0, 3.0))[0].shape == (2, 2)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_edges(count: int) -> None:
    edge_index, shifts = neighbor_list(100.0 * np.eye(3)[:count], np.zeros((3, 3)), [False] * 3, 5.0)
    assert edge_index.shape == (2, 0)
    assert shifts.shape == (0, 3)
    assert edge_index.dtype == shifts.dtype == np.int64


@pytest.mark.parametrize(
    "cell", [np.zeros((3, 3)), [[1, 0, 0], [0, 1, 0], [1, 1, 0]], [[5, 0, 0], [0, 5, 0], [0, 0, 1e-9]]]
)
def test_a_periodic_structure_needs_a_cell(cell: list[list[float]]) -> None:
    with pytest.raises(DataError, match="set pbc to false"):
        neighbor_list(np.zeros((1, 3)), cell, [True] * 3, 3.0)


def test_positions_must_be_finite() -> None:
    with pytest.raises(DataError, match="atom 1 is not finite"):
        neighbor_list([[0, 0, 0], [0, np.nan, 0]], np.zeros((3, 3)), [False] * 3, 3.0)


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        ([2000.0, 6.0, 2000.0], [1, 1, 1]),
        ([1e6, 6.0, 6.0], [1, 1, 1]),
        ([1e6, 40.0, 40.0], [1, 0, 0]),
        ([3000.0, 3000.0, 6.0], [1, 1, 0]),
        ([3000.0, 6.0, 6.0], [0, 1, 1]),
    ],
    ids=str,
)
def test_long_and_thin_spaces(cell: list[float], pbc: list[int]) -> None:
    """Where vesin, left to itself, divides by zero."""
    random = np.random.default_rng(3)
    near = random.uniform(0.0, 6.0, size=(6, 3))
    far = near[:2] + np.array(cell) * random.uniform(0.2, 0.8, size=(2, 3)) * (np.array(cell) > 100)
    positions, periodic = np.concatenate([near, far]), np.array(pbc, dtype=bool)
    found = as_list(*neighbor_list(positions, np.diag(cell), periodic, 5.0))
    assert found == sorted(set(found))
    # No image along a long vector is near.
    short = periodic & (np.array(cell) < 100)
    assert set(found) == brute_force_along(positions, np.diag(cell), short, 5.0)


def brute_force_along(positions: NDArray, cell: NDArray, pbc: NDArray, cutoff: float) -> set[Edge]:
    """As `brute_force`, for atoms far from each other: images of those that are near in the directions of `pbc`."""
    edges = set()
    for shift in itertools.product(*(range(-3, 4) if periodic else (0,) for periodic in pbc)):
        vectors = positions[None, :] - positions[:, None] + np.array(shift) @ cell
        for sender, receiver in zip(*np.nonzero(np.linalg.norm(vectors, axis=-1) < cutoff), strict=True):
            if sender != receiver or any(shift):
                edges.add((int(receiver), int(sender), *shift))
    return edges


def test_atoms_far_away_or_too_dense_are_refused() -> None:
    cube, periodic = np.eye(3) * 4.0, np.ones(3, dtype=bool)
    for distance in (1.1e6, 1e20, 1e155, 1e308):
        with pytest.raises(
            DataError, match=r"atom 1 is at \[0.0, .*\] A; coordinates beyond 1e\+06 A are not accepted"
        ):
            neighbor_list([[0, 0, 0], [0, distance, 0]], cube, [False] * 3, 5.0)
        with pytest.raises(DataError, match=r"the cell is .*; lengths beyond 1e\+06 A are not accepted"):
            neighbor_list([[0, 0, 0]], np.diag([4, distance, 4]), periodic, 5.0)
    with pytest.raises(DataError, match=r"too close together: a cube with edges of 5 A would contain 1e\+06 of them"):
        neighbor_list([[0, 0, 0]], np.eye(3) * 0.05, periodic, 5.0)
    with pytest.raises(DataError, match=r"too close together: a cube with edges of 5 A would contain 3e\+03 of them"):
        neighbor_list(np.zeros((3000, 3)), np.zeros((3, 3)), [False] * 3, 5.0)
    with pytest.raises(DataError, match="zero or linearly dependent"):
        neighbor_list([[0, 0, 0]], np.diag([4.0, 4.0, 1e-3]), periodic, 5.0)
    with pytest.raises(DataError, match=r"too long and thin .* measures 1e\+06 x 0.05 x 1e\+06 A"):
        neighbor_list([[0, 0, 0]], np.diag([1e6, 0.05, 1e6]), periodic, 5.0)


def test_input_is_not_changed() -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 9]], cell=[3, 3, 3], pbc=[True, True, False])
    before = atoms.copy()
    neighbor_list(atoms.positions, atoms.cell, atoms.pbc, 4.0)
    assert atoms == before
    np.testing.assert_array_equal(atoms.cell.array, before.cell.array)
