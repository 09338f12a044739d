"""Near-duplicate structures, found by their descriptors (`data/geometry/descriptor.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from potentials.data.geometry import structure_descriptor
from potentials.data.read import Frame

NEAR = 0.01
"""A; near-duplicates differ no more than by displacements of this size in all coordinates."""
_SAME = 1e-3
"""Fraction of that difference; below it only rounding is left."""
_TRIED = 4
_MOST_PAIRS = 1_000_000
_ROUNDING = 1e-6
"""Lower bound of that difference, relative to a descriptor: crystals of one atom per cell are invariant."""


@dataclass(frozen=True)
class Alike:
    """Structures of one composition and periodicity, comparable with each other."""

    members: NDArray[np.int64]
    """Numbers of the frames."""
    descriptors: NDArray[np.float64]
    """[members, F]."""
    near: float
    """Difference of descriptors below which two structures are near-duplicates."""

    structures: Sequence[Atoms]

    def pairs(self) -> list[tuple[int, int, bool]]:
        """Return pairs of near-duplicates: two numbers of frames, and whether they are identical to rounding.

        Where there are very many, only the nearest neighbor of each is returned, so that the number grows linearly.
        """
        tree = cKDTree(self.descriptors)
        if tree.count_neighbors(tree, self.near) - len(self.members) <= _MOST_PAIRS:
            found = tree.query_pairs(self.near, output_type="ndarray")
        else:
            nearest = tree.query(self.descriptors, k=2)[1]
            other = np.where(nearest[:, 0] == np.arange(len(nearest)), nearest[:, 1], nearest[:, 0])
            found = np.unique(np.sort(np.stack([np.arange(len(nearest)), other], axis=1), axis=1), axis=0)
        if not len(found):
            return []
        first, second = found.T
        differences = np.linalg.norm(self.descriptors[first] - self.descriptors[second], axis=1)
        same = differences <= _SAME * self.near + 1e-12
        chosen = [k for k in np.flatnonzero(differences <= self.near) if self._far_atoms_agree(first[k], second[k])]
        return [(int(self.members[first[k]]), int(self.members[second[k]]), bool(same[k])) for k in chosen]

    def _far_atoms_agree(self, first: int, second: int) -> bool:
        """Compare all distances of structures that are not periodic, since descriptors end at 5 A."""
        one, two = self.structures[first], self.structures[second]
        if one.pbc.any():
            return True
        return bool(np.abs(np.sort(pdist(one.positions)) - np.sort(pdist(two.positions))).max(initial=0) < 10 * NEAR)


def comparable(frames: Sequence[Frame], seed: int = 0) -> list[Alike]:
    """Compute descriptors of all frames, grouped by composition and periodicity; groups of one frame are left out."""
    groups: dict[tuple, list[int]] = {}
    for number, frame in enumerate(frames):
        key = (frame.atoms.get_chemical_formula(), tuple(frame.atoms.pbc))
        groups.setdefault(key, []).append(number)
    random = np.random.default_rng(seed)
    found = []
    for members in groups.values():
        if len(members) > 1:
            structures = [frames[number].atoms for number in members]
            descriptors = np.array([structure_descriptor(atoms) for atoms in structures])
            found.append(Alike(np.array(members), descriptors, _near(structures, descriptors, random), structures))
    return found


def _near(structures: Sequence[Atoms], descriptors: NDArray[np.float64], random: np.random.Generator) -> float:
    """Return half the smallest change of the descriptors of a few structures when all coordinates move by `NEAR`.

    Half, because means over atoms may coincide by chance.
    """
    differences = []
    for number in np.linspace(0, len(structures) - 1, min(_TRIED, len(structures))).astype(int):
        moved = structures[number].copy()
        moved.positions = moved.positions + random.normal(scale=NEAR, size=moved.positions.shape)
        differences.append(float(np.linalg.norm(structure_descriptor(moved) - descriptors[number])))
    return max(min(differences) / 2, _ROUNDING * float(np.linalg.norm(descriptors, axis=1).max()))
