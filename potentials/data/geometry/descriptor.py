"""Descriptors of structures, invariant under rotations, reflections, translations and permutations of the atoms."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.geometry.neighbor_list import neighbor_vectors

_CUTOFF = 5.0
_WIDTH = 0.3
"""A; of the Gaussians, and from one to the next."""


def structure_descriptor(atoms: Atoms, elements: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Means and mean squares, over the atoms of each element, of their numbers of neighbors at each distance.

    For an atom i, an element s and distances d_k: g_isk = sum_j exp(-(r_ij - d_k)^2 / 2 w^2) (1 - (r_ij / c)^2)^2 over
    the neighbors j of element s within c = 5 A.

    Args:
        atoms: the structure.
        elements: atomic numbers, ascending; the structure's own if not given. Those it lacks have zeros.
    """
    elements = np.unique(atoms.numbers) if elements is None else elements
    centers = np.arange(2 * _WIDTH, _CUTOFF, _WIDTH)
    (sender, receiver), vectors = neighbor_vectors(atoms, _CUTOFF)
    r = np.linalg.norm(vectors, axis=1)
    functions = np.exp(-((r[:, None] - centers) ** 2) / (2 * _WIDTH**2)) * ((1 - (r / _CUTOFF) ** 2) ** 2)[:, None]
    species = np.searchsorted(elements, atoms.numbers)
    seen = np.zeros((len(atoms), len(elements), len(centers)))
    np.add.at(seen, (receiver, species[sender]), functions)
    found = []
    for number in range(len(elements)):
        of_element = seen[species == number]
        count = max(1, len(of_element))
        found += [of_element.sum(axis=0) / count, np.square(of_element).sum(axis=0) / count]
    return np.concatenate(found, axis=None)
