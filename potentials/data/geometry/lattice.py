"""Reduced cells: short vectors of the same lattice, for which the neighbor search is cheapest."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

LARGEST_DEFECT = 2.0
"""Product of the lengths of the cell vectors over the volume that they span. It is at most 2 for reduced cells of three
vectors; cells with a smaller value are not reduced."""
_SHORTER = 1.0 - 1e-9
_AROUND = [np.array(step) for step in itertools.product((-1, 0, 1), repeat=2)]
_MOST_STEPS = 1000


def reduced_cell(
    cell: NDArray[np.float64], periodic: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Reduce strongly skewed cell vectors to the shortest ones that span the same lattice.

    The vectors v are replaced by U v with an integer matrix U of determinant +-1, until none becomes shorter by adding
    integer multiples of the others (Minkowski reduction; Semaev, Lecture Notes in Computer Science 2146, 181 (2001)).

    Args:
        cell: [3, 3], one cell vector per row, A.
        periodic: [3] booleans; vectors along other directions are not changed.

    Returns:
        U cell [3, 3], and U [3, 3]: cell shifts S of the reduced cell are S U of the given one. U is the identity where
        the given cell has a defect of at most `LARGEST_DEFECT`.
    """
    change = np.eye(3, dtype=np.int64)
    rows = np.flatnonzero(periodic)
    vectors = np.asarray(cell, dtype=np.float64)[rows]
    if len(rows) < 2 or _defect(vectors) <= LARGEST_DEFECT:
        return cell, change
    of_rows = _reduce(vectors)
    change[np.ix_(rows, rows)] = of_rows
    reduced = np.array(cell, dtype=np.float64)
    reduced[rows] = of_rows @ vectors
    return reduced, change


def _defect(vectors: NDArray[np.float64]) -> float:
    lengths = np.linalg.norm(vectors, axis=1)
    volume = np.sqrt(max(float(np.linalg.det(vectors @ vectors.T)), 0.0))
    return float(lengths.prod() / volume) if volume > 0 else np.inf


def _reduce(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Compute U [n, n] for n = 2 or 3 vectors."""
    change = np.eye(len(vectors), dtype=np.int64)
    for _ in range(_MOST_STEPS):
        # From the original vectors each time, so that rounding does not accumulate.
        change = change[np.argsort(np.linalg.norm(change @ vectors, axis=1), kind="stable")]
        now = change @ vectors
        for longest in range(len(vectors) - 1, 0, -1):
            others = now[:longest]
            # Round the projection; with two other vectors, the nearest lattice point may be an adjacent corner.
            nearest = np.rint(np.linalg.lstsq(others.T, now[longest], rcond=None)[0]).astype(np.int64)
            steps = [nearest + around for around in _AROUND] if longest == 2 else [nearest]
            lengths = [float(np.linalg.norm(now[longest] - step @ others)) for step in steps]
            best = int(np.argmin(lengths))
            if lengths[best] < _SHORTER * float(np.linalg.norm(now[longest])):
                change[longest] -= steps[best] @ change[:longest]
                break
        else:
            break
    return change
