"""Rotations of a structure: comparison of predictions and features with those expected by equivariance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.equivariant import Layout
from potentials.equivariant.rotations import rotate
from potentials.models.anatomy import NodeFeatures
from potentials.potential import Potential
from potentials.visualization.numbers import compact
from potentials.visualization.observation import Observation, observe
from potentials.visualization.signals import blocks_at, mixtures

STEPS = 24
"""Number of angles of a full rotation; a third of it for structures of more than `MANY` atoms."""
MANY = 100
AXES = ("x", "y", "z")
MOST_ROTATED = 20
"""Largest number of atoms whose features are stored at every angle."""

Array = NDArray[np.float64]


def rotation_about(axis: int, angle: float) -> Array:
    """Return the matrix [3, 3] of a rotation about a coordinate axis; angle in radians."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def rotated(atoms: Atoms, rotation: Array) -> Atoms:
    """Rotate a structure about the origin, including its cell."""
    return Atoms(
        numbers=atoms.numbers, positions=atoms.positions @ rotation.T, cell=atoms.cell.array @ rotation.T, pbc=atoms.pbc
    )


@dataclass
class Stage:
    """Features of one layer for all rotations; of each block one combination of channels.

    Args:
        place: the layer of the network.
        computed: for each block and rotation, the features of the rotated structure [rotations][n, 2l + 1].
        expected: the same for the features of the original structure, rotated by Wigner D matrices.
        difference: for each rotation, the largest difference over components and channels, relative to the largest
            feature.
    """

    place: NodeFeatures
    computed: list[list[Array]] = field(default_factory=list)
    expected: list[list[Array]] = field(default_factory=list)
    difference: list[float] = field(default_factory=list)


@dataclass
class RotationChanges:
    """Changes of predictions and features under rotations of a structure.

    Args:
        angles: degrees, the same for each axis.
        stages: layers with tensor features; those with features on a grid of orientations are omitted.
        energy: [axes * angles] change in meV.
        forces: [axes * angles] largest difference of a component from the rotated forces in meV/A.
        atoms: indices, among the atoms shown, of atoms whose features are stored.
    """

    angles: list[float]
    stages: list[Stage]
    energy: list[float]
    forces: list[float]
    atoms: list[int]

    def largest_feature_difference(self) -> float:
        """Return the largest relative difference over all layers and rotations."""
        return max((max(stage.difference) for stage in self.stages), default=0.0)

    def json(self) -> dict[str, Any]:
        """Return data for `visualize.js`: values [axes][angles][atoms, 2l + 1] of each block, computed and expected."""
        stages = []
        for stage in self.stages:
            blocks = []
            for number, (irrep, _) in enumerate(stage.place.blocks):
                computed, expected = stage.computed[number], stage.expected[number]
                blocks.append(
                    {
                        "label": str(irrep),
                        "degree": irrep.degree,
                        "computed": compact(computed),
                        "expected": compact(expected),
                    }
                )
            stages.append({"name": stage.place.name, "blocks": blocks, "difference": compact(stage.difference)})
        return {
            "axes": list(AXES),
            "angles": self.angles,
            "stages": stages,
            "energy": compact(self.energy),
            "forces": compact(self.forces),
            "atoms": self.atoms,
        }


def rotation_changes(
    potential: Potential, first: Observation, places: list[NodeFeatures], atoms: Atoms, shown: NDArray[np.int64]
) -> RotationChanges:
    """Rotate a structure about each axis, and evaluate the potential at each angle.

    Args:
        potential: potential on the CPU.
        first: observation of the original structure.
        places: layers whose features are compared.
        atoms: the structure.
        shown: indices of the atoms shown, of which the first few are compared.
    """
    steps = STEPS if len(atoms) <= MANY else STEPS // 3
    angles = [360.0 * step / steps for step in range(steps)]
    kept = shown[:MOST_ROTATED]
    tensors = [place for place in places if place.grid is None]
    stages = [Stage(place) for place in tensors]
    before = [first.features(place)[kept] for place in tensors]
    combined = [
        [mixtures(block.values)[0][:, 0] for block in blocks_at(*pair)] for pair in zip(tensors, before, strict=True)
    ]
    for stage in stages:
        stage.computed = [[] for _ in stage.place.blocks]
        stage.expected = [[] for _ in stage.place.blocks]
    changes = RotationChanges(angles, stages, [], [], list(range(len(kept))))
    for axis in range(3):
        for angle in angles:
            rotation = rotation_about(axis, np.radians(angle))
            after = observe(potential, rotated(atoms, rotation))
            changes.energy.append(1e3 * (after.energy - first.energy))
            changes.forces.append(1e3 * float(np.abs(after.forces - first.forces @ rotation.T).max()))
            for stage, values, vectors in zip(stages, before, combined, strict=True):
                _compare(stage, values, vectors, after.features(stage.place)[kept], rotation)
    return changes


def _compare(stage: Stage, before: Array, vectors: list[Array], computed: Array, rotation: Array) -> None:
    size, largest = max(float(np.abs(before).max()), 1e-300), 0.0
    blocks = zip(blocks_at(stage.place, before), blocks_at(stage.place, computed), vectors, strict=True)
    for number, (first, found, vector) in enumerate(blocks):
        layout = Layout([first.irrep])
        expected = rotate(torch.from_numpy(first.values), layout, torch.from_numpy(rotation)).numpy()
        largest = max(largest, float(np.abs(found.values - expected).max()))
        stage.computed[number].append(found.values @ vector)
        stage.expected[number].append(expected @ vector)
    stage.difference.append(largest / size)
