"""Structures that are nearly the same, found by their fingerprints (`data/geometry/fingerprint.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from potentials.data.geometry import fingerprint
from potentials.data.read import Frame

NEAR = 0.01
"""A; two structures are nearly the same if they differ no more than one does when all its coordinates move so much."""
_SAME = 1e-3
"""Of that difference: only rounding is left."""
_TRIED = 4
_MOST_PAIRS = 1_000_000
_ROUNDING = 1e-6
"""Of a fingerprint; crystals of one atom a cell do not change when it moves."""


@dataclass(frozen=True)
class Alike:
    """Structures of one composition and periodicity, comparable with each other."""

    members: NDArray[np.int64]
    """Which of the frames."""
    fingerprints: NDArray[np.float64]
    """[members, F]."""
    near: float
    """Difference of fingerprints below which two are nearly the same."""

    structures: Sequence[Atoms]

    def pairs(self) -> list[tuple[int, int, bool]]:
        """Members that are nearly the same: two numbers of frames, and whether they are the same to rounding.

        Where very many are, the nearest one of each alone, which says as much and does not grow with their square.
        """
        tree = cKDTree(self.fingerprints)
        if tree.count_neighbors(tree, self.near) - len(self.members) <= _MOST_PAIRS:
            found = tree.query_pairs(self.near, output_type="ndarray")
        else:
            nearest = tree.query(self.fingerprints, k=2)[1]
            other = np.where(nearest[:, 0] == np.arange(len(nearest)), nearest[:, 1], nearest[:, 0])
            found = np.unique(np.sort(np.stack([np.arange(len(nearest)), other], axis=1), axis=1), axis=0)
        if not len(found):
            return []
        first, second = found.T
        differences = np.linalg.norm(self.fingerprints[first] - self.fingerprints[second], axis=1)
        same = differences <= _SAME * self.near + 1e-12
        chosen = [k for k in np.flatnonzero(differences <= self.near) if self._far_atoms_agree(first[k], second[k])]
        return [(int(self.members[first[k]]), int(self.members[second[k]]), bool(same[k])) for k in chosen]

    def _far_atoms_agree(self, first: int, second: int) -> bool:
        """Fingerprints end at 5 A: compare all distances, of structures that are not periodic."""
        one, two = self.structures[first], self.structures[second]
        if one.pbc.any():
            return True
        return bool(np.abs(np.sort(pdist(one.positions)) - np.sort(pdist(two.positions))).max(initial=0) < 10 * NEAR)


def comparable(frames: Sequence[Frame], seed: int = 0) -> list[Alike]:
    """Fingerprints of all frames, in groups of equal composition and periodicity; what is alone is left out."""
    groups: dict[tuple, list[int]] = {}
    for number, frame in enumerate(frames):
        key = (frame.atoms.get_chemical_formula(), tuple(frame.atoms.pbc))
        groups.setdefault(key, []).append(number)
    random = np.random.default_rng(seed)
    found = []
    for members in groups.values():
        if len(members) > 1:
            structures = [frames[number].atoms for number in members]
            prints = np.array([fingerprint(atoms) for atoms in structures])
            found.append(Alike(np.array(members), prints, _near(structures, prints, random), structures))
    return found


def _near(structures: Sequence[Atoms], prints: NDArray[np.float64], random: np.random.Generator) -> float:
    """Half of the smallest difference that moving all coordinates by `NEAR` made to a few of the structures.

    Half, because means over atoms may come out alike by chance.
    """
    differences = []
    for number in np.linspace(0, len(structures) - 1, min(_TRIED, len(structures))).astype(int):
        moved = structures[number].copy()
        moved.positions = moved.positions + random.normal(scale=NEAR, size=moved.positions.shape)
        differences.append(float(np.linalg.norm(fingerprint(moved) - prints[number])))
    return max(min(differences) / 2, _ROUNDING * float(np.linalg.norm(prints, axis=1).max()))
