"""Plausibility of positions and cells: finite, not degenerate, neither too large nor too dense to compute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from potentials.data.geometry.lattice import reduced_cell
from potentials.errors import DataError

LARGEST_LENGTH = 1e6
"""A; of cell vectors and distances from the origin. Atomic structures are smaller than 0.1 mm."""
LEAST_HEIGHT = 0.01
"""A; least height of a periodic cell."""
DENSEST = 2.0
"""Atoms per A^3, ten times as dense as diamond."""
MOST_IN_CUBE = 500
"""Number of atoms always allowed in a cube with edges of the cutoff."""


def heights(cell: NDArray[np.float64], periodic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the distances between opposite faces of a cell along its P periodic directions.

    Args:
        cell: [3, 3], one cell vector per row, A.
        periodic: [3] booleans.

    Returns:
        [P], A.
    """
    vectors = np.asarray(cell, dtype=float)[np.asarray(periodic)]
    # Columns of the pseudoinverse are the reciprocal vectors within the span of the periodic ones.
    return 1 / np.linalg.norm(np.linalg.pinv(vectors), axis=0)


def check_geometry(positions: NDArray[np.float64], cell: NDArray[np.float64], periodic: NDArray[np.bool_]) -> None:
    """Check that a structure has finite positions, and cell vectors that span its periodic directions.

    Args:
        positions: [N, 3], A.
        cell: [3, 3], one cell vector per row, A.
        periodic: [3] booleans.

    Raises:
        DataError: it does not, or lengths are too large.
    """
    _check_lengths(positions, cell)
    vectors = cell[periodic]
    lengths = np.linalg.norm(vectors, axis=1)
    flat = len(vectors) > 0 and (
        lengths.min() < 1e-6 or np.linalg.svd(vectors / lengths[:, None], compute_uv=False).min() < 1e-8
    )
    # A very skewed cell may be thin although its lattice is not.
    if flat or (
        len(vectors) > 0
        and heights(cell, periodic).min() < LEAST_HEIGHT
        and heights(reduced_cell(cell, periodic)[0], periodic).min() < LEAST_HEIGHT
    ):
        raise DataError(
            f"the structure is periodic along {periodic.tolist()}, but the cell vectors along these directions are "
            f"(nearly) zero or linearly dependent: {cell.tolist()}; give the cell vectors, or set pbc to false"
        )


def _check_lengths(positions: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
    if not np.isfinite(positions).all():
        atom = int(np.nonzero(~np.isfinite(positions).all(axis=1))[0][0])
        raise DataError(f"the position of atom {atom} is not finite: {positions[atom].tolist()}")
    if not np.isfinite(cell).all():
        raise DataError(f"the cell is not finite: {cell.tolist()}")
    far = np.nonzero((np.abs(positions) > LARGEST_LENGTH).any(axis=1))[0]
    if len(far):
        atom = int(far[0])
        raise DataError(
            f"atom {atom} is at {positions[atom].tolist()} A; coordinates beyond {LARGEST_LENGTH:g} A are not accepted"
        )
    if (np.abs(cell) > LARGEST_LENGTH).any():
        raise DataError(f"the cell is {cell.tolist()} A; lengths beyond {LARGEST_LENGTH:g} A are not accepted")


def check_density(positions: NDArray[np.float64], box: NDArray[np.float64], cutoff: float) -> None:
    """Check that the number of neighbors is not excessive, through images in a small cell or overlapping atoms.

    Args:
        positions: [N, 3], A.
        box: [3, 3], periodic in all directions, A; reduced, since a skewed box has more images nearby.
        cutoff: A.

    Raises:
        DataError: a cube with edges of the cutoff contains more than `MOST_IN_CUBE` atoms and more than `DENSEST`
            allows.
    """
    most = max(MOST_IN_CUBE, DENSEST * cutoff**3)
    in_cube = len(positions) * float(np.prod(cutoff / heights(box, np.ones(3, dtype=bool))))
    if len(positions) > most:
        # Cubes of a regular grid; hash collisions of two cubes do not matter here.
        cubes = np.floor(positions / cutoff).astype(np.int64) @ np.array([1, 2_000_003, 4_000_000_000_037])
        in_cube = max(in_cube, float(np.unique(cubes, return_counts=True)[1].max()))
    if in_cube > most:
        raise DataError(
            f"the {len(positions)} atoms are too close together: a cube with edges of {cutoff:.3g} A would contain "
            f"{in_cube:.3g} of them, far above any physical density; check the unit of length"
        )
