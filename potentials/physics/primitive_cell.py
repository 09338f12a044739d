"""The primitive cell of a crystal, found from its translations."""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms
from ase.cell import Cell
from numpy.typing import NDArray

from potentials.errors import DataError

_SITE_NEIGHBORS = 30


def primitive_cell(atoms: Atoms, tolerance: float = 0.05) -> Atoms:
    """Return a primitive cell of a structure that is periodic in three directions, in the same orientation.

    A translation is accepted if it maps each atom to within the tolerance (A) of an atom of the same element. Positions
    are those of the first atom of each set of equivalent ones.

    Raises:
        DataError: the structure is not periodic in three directions.
    """
    if not atoms.pbc.all():
        raise DataError(f"a primitive cell requires three periodic directions, got pbc = {atoms.pbc.tolist()}")
    translations = _translations(atoms, tolerance)
    cell = _shortest_basis(atoms.cell.array, translations @ atoms.cell.array)
    if abs(abs(np.linalg.det(cell)) * len(translations) / atoms.get_volume() - 1) > 0.05:
        return atoms.copy()  # the translations found within the tolerance are inconsistent
    chosen: list[int] = []
    for index in range(len(atoms)):
        same = [other for other in chosen if atoms.numbers[other] == atoms.numbers[index]]
        apart = _minimal(atoms.positions[same] - atoms.positions[index], cell)
        if not (np.linalg.norm(apart, axis=-1) < 2 * tolerance).any():
            chosen.append(index)
    if len(chosen) * len(translations) != len(atoms):
        return atoms.copy()
    primitive = Atoms(atoms.numbers[chosen], atoms.positions[chosen], cell=cell, pbc=True)
    primitive.wrap(eps=1e-6)
    return primitive


def num_distinct_sites(atoms: Atoms, tolerance: float = 0.05) -> int:
    """Count inequivalent sites, by element and distances of the 30 nearest neighbors, compared to a tolerance (A)."""
    environments = [
        (number, distances)
        for number, distances in zip(atoms.numbers, _nearest_distances(atoms, _SITE_NEIGHBORS), strict=True)
    ]
    distinct: list[tuple[int, NDArray[np.float64]]] = []
    for number, distances in environments:
        if not any(number == other and np.abs(distances - of_other).max() < tolerance for other, of_other in distinct):
            distinct.append((number, distances))
    return len(distinct)


def _translations(atoms: Atoms, tolerance: float) -> NDArray[np.float64]:
    """Return translations [T, 3] in units of the cell vectors; the first is zero."""
    scaled, cell = atoms.get_scaled_positions(), atoms.cell.array
    numbers, counts = np.unique(atoms.numbers, return_counts=True)
    rarest = scaled[atoms.numbers == numbers[np.argmin(counts)]]
    found = []
    for translation in rarest - rarest[0]:
        moved = scaled + translation
        nearest = []
        for number in numbers:
            own = atoms.numbers == number
            apart = moved[own][:, None] - scaled[own][None]
            distances = np.linalg.norm((apart - np.round(apart)) @ cell, axis=-1)
            nearest.append(distances.min(axis=1).max())
        if max(nearest) < tolerance:
            found.append(translation)
    return np.array(found)


def _shortest_basis(cell: NDArray[np.float64], translations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Niggli basis of the lattice spanned by cell and translations, not rotated; right-handed."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ cell
    vectors = (translations[:, None] + shifts[None]).reshape(-1, 3)
    lengths = np.linalg.norm(vectors, axis=1)
    vectors = vectors[np.argsort(lengths.round(6), kind="stable")]
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 0.5]
    basis: list[NDArray[np.float64]] = []
    for vector in vectors:
        independent = np.array([*basis, vector])
        shape = independent / np.linalg.norm(independent, axis=1)[:, None]
        if np.linalg.svd(shape, compute_uv=False).min() > 0.1:
            basis.append(vector)
        if len(basis) == 3:
            break
    shortest = np.array(basis)
    if np.linalg.det(shortest) < 0:
        shortest = shortest[[1, 0, 2]]
    # Of equally short vectors, Niggli's have equal angles, on which the choice of supercells depends.
    return Cell(shortest).niggli_reduce(eps=1e-3)[1].T @ shortest


def _minimal(vectors: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reduce vectors by those of a moderately skewed cell to the shortest equivalent ones."""
    scaled = vectors @ np.linalg.inv(cell)
    return (scaled - np.round(scaled)) @ cell


def _nearest_distances(atoms: Atoms, count: int) -> NDArray[np.float64]:
    """Return the nearest distances [N, count] in A, ascending."""
    repeats = np.maximum(1, np.ceil(12.0 / np.linalg.norm(atoms.cell.array, axis=1))).astype(int)
    shifts = np.array(list(itertools.product(*(range(-n, n + 1) for n in repeats)))) @ atoms.cell.array
    distances = []
    for position in atoms.positions:
        apart = np.linalg.norm((atoms.positions[:, None] + shifts[None] - position).reshape(-1, 3), axis=1)
        distances.append(np.sort(apart)[1 : count + 1])
    return np.array(distances)
