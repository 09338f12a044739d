"""Which atoms lie within the cutoff of which, periodic images included."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vesin import NeighborList

from potentials.errors import DataError


def neighbor_list(
    positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All ordered pairs of atoms closer than the cutoff, by vesin's cell list.

    An edge from `sender` to `receiver` with the integer cell shift S has the vector

        r = positions[receiver] - positions[sender] + S @ cell,   |r| < cutoff,

    and no atom is its own neighbour with S = 0. Positions are taken as they are (atoms may lie outside the cell), cells
    may be skewed, left-handed or smaller than the cutoff, and directions that are not periodic may have any cell
    vector, zero included; their shifts are zero.

    Args:
        positions: [N, 3], A.
        cell: [3, 3], one cell vector a row, A.
        pbc: three booleans, one for each cell vector.
        cutoff: A.

    Returns:
        `edge_index` [2, E], senders in the first row and receivers in the second, and `cell_shifts` [E, 3]. Edges are
        sorted by receiver, then sender, then shift.

    Raises:
        DataError: a position or cell is not finite, or the periodic cell vectors are linearly dependent.
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64).reshape(-1, 3)
    periodic = np.asarray(pbc, dtype=bool)
    cell = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    check_geometry(positions, cell, periodic)
    if len(positions) == 0:
        return np.zeros((2, 0), dtype=np.int64), np.zeros((0, 3), dtype=np.int64)

    # vesin measures wrapped atoms, so its last digit may differ from the formula above: ask for a little more, then
    # apply the definition itself.
    search = NeighborList(cutoff=cutoff * (1.0 + 1e-9), full_list=True)
    pairs, shifts = search.compute(points=positions, box=cell, periodic=periodic, quantities="PS", copy=True)
    sender, receiver = pairs.astype(np.int64).T
    shifts = shifts.astype(np.int64)
    vectors = positions[receiver] - positions[sender] + shifts @ cell
    inside = np.einsum("ij,ij->i", vectors, vectors) < cutoff**2
    if not inside.all():
        sender, receiver, shifts = sender[inside], receiver[inside], shifts[inside]
    order = _edge_order(sender, receiver, shifts)
    return np.stack([sender[order], receiver[order]]), shifts[order]


def edge_pairs(edge_index: NDArray[np.int64], cell_shifts: NDArray[np.int64]) -> tuple[NDArray, NDArray]:
    """Which edges are each other's reverse: sender and receiver exchanged, shift negated.

    Args:
        edge_index: [2, E], sorted as `neighbor_list` does.
        cell_shifts: [E, 3].

    Returns:
        `edge_pair` [E], the pair of each edge, and `pair_edges` [E / 2, 2], the two edges of each pair, the first one
        first; pairs are in the order of their first edges.

    Raises:
        ValueError: an edge has no reverse.
    """
    sender, receiver = edge_index
    # Reversed and sorted again the list is the same list, so sorting tells which edge each reversed one is.
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
        # One key in place of five; no pair of atoms comes twice without a shift.
        return np.argsort(receiver * (sender.max() + 1) + sender)
    return np.lexsort((shifts[:, 2], shifts[:, 1], shifts[:, 0], sender, receiver))


def check_geometry(positions: NDArray[np.float64], cell: NDArray[np.float64], periodic: NDArray[np.bool_]) -> None:
    """Make sure that a structure has finite positions, and cell vectors that span its periodic directions.

    Raises:
        DataError: it does not.
    """
    if not np.isfinite(positions).all():
        atom = int(np.nonzero(~np.isfinite(positions).all(axis=1))[0][0])
        raise DataError(f"the position of atom {atom} is not finite: {positions[atom].tolist()}")
    if not np.isfinite(cell).all():
        raise DataError(f"the cell is not finite: {cell.tolist()}")
    vectors = cell[periodic]
    lengths = np.linalg.norm(vectors, axis=1)
    flat = len(vectors) > 0 and (
        lengths.min() < 1e-6 or np.linalg.svd(vectors / lengths[:, None], compute_uv=False).min() < 1e-8
    )
    if flat:
        raise DataError(
            f"the structure is periodic along {periodic.tolist()} but its cell {cell.tolist()} has no extent there; "
            "give the cell vectors, or set pbc to false"
        )
