"""Neighbor lists: pairs of atoms within the cutoff, with periodic images."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from vesin import NeighborList

from potentials.data.geometry.lattice import reduced_cell
from potentials.data.geometry.plausibility import check_density, check_geometry, heights
from potentials.errors import DataError

_LARGEST_GRID = 50_000
"""Boxes of vesin's cell list. Beyond 100 000 it reduces their number in each direction, to zero in a short one, and
crashes."""
_MOST_VISITS = 2e7
"""Visits of boxes from boxes; about one second."""


def neighbor_list(
    positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find all ordered pairs of atoms closer than the cutoff, with vesin's cell list.

    An edge from `sender` to `receiver` with the integer cell shift S has the vector

        r = positions[receiver] - positions[sender] + S @ cell,   |r| < cutoff,

    and no atom is its own neighbor with S = 0. Positions are not wrapped (atoms may lie outside the cell). Cells may be
    skewed (the search uses the reduced cell of the lattice), left-handed or smaller than the cutoff. Directions that
    are not periodic may have any cell vector, zero included; their shifts are zero.

    Args:
        positions: [N, 3], A.
        cell: [3, 3], one cell vector per row, A.
        pbc: three booleans, one for each cell vector.
        cutoff: A.

    Returns:
        `edge_index` [2, E], senders in the first row and receivers in the second, and `cell_shifts` [E, 3]. Edges are
        sorted by receiver, then sender, then shift.

    Raises:
        DataError: a position or cell is not finite or too large, the periodic cell vectors are linearly dependent,
            or the atoms are too dense.
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64).reshape(-1, 3)
    periodic = np.asarray(pbc, dtype=bool)
    cell = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    check_geometry(positions, cell, periodic)
    if len(positions) == 0:
        return np.zeros((2, 0), dtype=np.int64), np.zeros((0, 3), dtype=np.int64)

    # vesin uses wrapped positions, so that distances may differ from the formula above by rounding: search with a
    # slightly larger cutoff, then apply the definition.
    wide = cutoff * (1.0 + 1e-9)
    reduced, change = reduced_cell(cell, periodic)
    box, points = _box(positions, reduced, periodic, wide)
    check_density(positions, box, wide)
    search = NeighborList(cutoff=_search_cutoff(box, wide), full_list=True)
    pairs, shifts = search.compute(points=points, box=box, periodic=True, quantities="PS", copy=True)
    sender, receiver = pairs.astype(np.int64).T
    shifts = shifts.astype(np.int64) @ change
    vectors = positions[receiver] - positions[sender] + shifts @ cell
    inside = np.einsum("ij,ij->i", vectors, vectors) < cutoff**2
    # A larger cutoff finds images along directions that are not periodic.
    inside &= (shifts[:, ~periodic] == 0).all(axis=1)
    if not inside.all():
        sender, receiver, shifts = sender[inside], receiver[inside], shifts[inside]
    order = _edge_order(sender, receiver, shifts)
    return np.stack([sender[order], receiver[order]]), shifts[order]


def neighbor_vectors(atoms: Atoms, cutoff: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pairs of `neighbor_list` and the vectors from senders to receivers.

    Args:
        atoms: a structure.
        cutoff: A.

    Returns:
        `edge_index` [2, E] and vectors [E, 3], A.

    Raises:
        DataError: as `neighbor_list`.
    """
    edge_index, cell_shifts = neighbor_list(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
    cell = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
    return edge_index, atoms.positions[edge_index[1]] - atoms.positions[edge_index[0]] + cell_shifts @ cell


def _box(
    positions: NDArray[np.float64], cell: NDArray[np.float64], periodic: NDArray[np.bool_], cutoff: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a box that is periodic in all directions, and the positions in it. Along directions that are not periodic
    it is so large that no image is within the cutoff: with mixed periodicity vesin is slow for distant atoms, and
    crashes for some."""
    if periodic.all():
        return cell, positions
    across = np.linalg.svd(cell)[2][int(periodic.sum()) :]
    along = positions @ across.T
    box = cell.copy()
    box[~periodic] = across * (np.ptp(along, axis=0) + 3 * cutoff)[:, None]
    return box, positions - (along.min(axis=0) - cutoff) @ across


def _search_cutoff(box: NDArray[np.float64], cutoff: float) -> float:
    """Return the cutoff, or a larger one where the box is so long and thin that vesin's number of boxes is too large.

    Raises:
        DataError: the box is so long and thin that the search would take minutes.
    """
    lengths = heights(box, np.ones(3, dtype=bool))
    while True:
        boxes = np.maximum(np.floor(lengths / cutoff), 1)
        total = float(boxes.prod())
        if total <= _LARGEST_GRID or boxes.min() * (_LARGEST_GRID / total) ** (1 / 3) >= 2:
            break
        cutoff *= 1.25
    around = 2 * np.ceil(cutoff * boxes / lengths) + 1
    if min(total, _LARGEST_GRID) * around.prod() > _MOST_VISITS:
        listing = " x ".join(f"{length:.3g}" for length in lengths)
        raise DataError(
            "the structure is too long and thin for the neighbor search: its cell, or the space that its atoms "
            f"occupy, measures {listing} A; check the unit of length"
        )
    return cutoff


def edge_pairs(edge_index: NDArray[np.int64], cell_shifts: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
    """Find the reverse of each edge: sender and receiver exchanged, shift negated.

    Args:
        edge_index: [2, E], sorted as `neighbor_list` does.
        cell_shifts: [E, 3].

    Returns:
        `edge_pair` [E], the pair of each edge, and `pair_edges` [E / 2, 2], the two edges of each pair, the first one
        first; pairs are in the order of their first edges.

    Raises:
        ValueError: an edge has no reverse, or the edges are not sorted.
    """
    sender, receiver = edge_index
    # The list of reversed edges, sorted again, is the same list, so sorting matches each edge with its reverse.
    order = _edge_order(receiver, sender, -cell_shifts)
    if not (np.array_equal(edge_index[::-1, order], edge_index) and np.array_equal(-cell_shifts[order], cell_shifts)):
        raise ValueError("every edge must come with its reverse, and edges must be sorted")
    reverse = np.empty_like(order)
    reverse[order] = np.arange(len(order))
    first = np.flatnonzero(np.arange(len(order)) < reverse)
    pair_edges = np.stack([first, reverse[first]], axis=1)
    edge_pair = np.empty_like(order)
    edge_pair[pair_edges.ravel()] = np.repeat(np.arange(len(first)), 2)
    return edge_pair, pair_edges


def _edge_order(sender: NDArray, receiver: NDArray, shifts: NDArray) -> NDArray:
    if len(sender) and not shifts.any():
        # One key in place of five; without shifts no pair of atoms occurs twice.
        return np.argsort(receiver * (sender.max() + 1) + sender)
    return np.lexsort((shifts[:, 2], shifts[:, 1], shifts[:, 0], sender, receiver))
