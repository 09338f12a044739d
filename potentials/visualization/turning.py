"""The structure turned, step by step: what the network says then, against what it should say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.equivariant.rotations import rotate
from potentials.models.anatomy import NodeFeatures
from potentials.potential import Potential
from potentials.visualization.numbers import compact
from potentials.visualization.observation import Observation, observe
from potentials.visualization.signals import blocks_at, mixtures

STEPS = 24
"""Angles of a full turn; a third of that for structures of more than `MANY` atoms."""
MANY = 100
AXES = ("x", "y", "z")
MOST_TURNED = 20
"""Atoms whose features are sent to the page at every angle."""

Array = NDArray[np.float64]


def rotation_about(axis: int, angle: float) -> Array:
    """The matrix [3, 3] of a turn about a coordinate axis, angle in radians."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def turned(atoms: Atoms, rotation: Array) -> Atoms:
    """The structure rotated about the origin, its cell with it."""
    return Atoms(
        numbers=atoms.numbers, positions=atoms.positions @ rotation.T, cell=atoms.cell.array @ rotation.T, pbc=atoms.pbc
    )


@dataclass
class Stage:
    """The features at one place of the network through all turns; those of blocks as one combination of channels.

    Args:
        place: of the network.
        computed: for each block, of each turn the network's features of the turned structure [turns][n, 2l + 1].
        expected: the same, of the structure as it was, turned by Wigner's matrices.
        difference: of each turn, the largest of all components and channels, relative to the largest feature.
    """

    place: NodeFeatures
    computed: list[list[Array]] = field(default_factory=list)
    expected: list[list[Array]] = field(default_factory=list)
    difference: list[float] = field(default_factory=list)


@dataclass
class Turns:
    """What turning the structure changed.

    Args:
        angles: degrees, the same about each axis.
        stages: features, where they are tensors; those of a grid of orientations are left out.
        energy: [axes * angles] change in meV.
        forces: [axes * angles] largest change of a component in meV/A, beyond the turn itself.
        atoms: numbers of the atoms, among those shown, whose features are there.
    """

    angles: list[float]
    stages: list[Stage]
    energy: list[float]
    forces: list[float]
    atoms: list[int]

    def largest_feature_difference(self) -> float:
        """Over all places and turns, relative."""
        return max((max(stage.difference) for stage in self.stages), default=0.0)

    def json(self) -> dict[str, Any]:
        """For `visualize.js`: of each block the values [axes][angles][atoms, 2l + 1], computed and expected."""
        stages = []
        for stage in self.stages:
            blocks = []
            for number, irrep in enumerate(stage.place.layout):
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


def turn(
    potential: Potential, first: Observation, places: list[NodeFeatures], atoms: Atoms, shown: NDArray[np.int64]
) -> Turns:
    """Turn a structure about each axis, and let the potential predict it at each angle.

    Args:
        potential: on the CPU.
        first: of the structure as it is.
        places: where features are compared.
        atoms: the structure.
        shown: numbers of the atoms shown, of which the first few are compared.
    """
    steps = STEPS if len(atoms) <= MANY else STEPS // 3
    angles = [360.0 * step / steps for step in range(steps)]
    kept = shown[:MOST_TURNED]
    tensors = [place for place in places if place.grid is None]
    stages = [Stage(place) for place in tensors]
    before = [first.features(place)[kept] for place in tensors]
    combined = [
        [mixtures(block.values)[0][:, 0] for block in blocks_at(*pair)] for pair in zip(tensors, before, strict=True)
    ]
    for stage in stages:
        stage.computed = [[] for _ in stage.place.layout]
        stage.expected = [[] for _ in stage.place.layout]
    turns = Turns(angles, stages, [], [], list(range(len(kept))))
    for axis in range(3):
        for angle in angles:
            rotation = rotation_about(axis, np.radians(angle))
            after = observe(potential, turned(atoms, rotation))
            turns.energy.append(1e3 * (after.energy - first.energy))
            turns.forces.append(1e3 * float(np.abs(after.forces - first.forces @ rotation.T).max()))
            for stage, values, vectors in zip(stages, before, combined, strict=True):
                _compare(stage, values, vectors, after.features(stage.place)[kept], rotation)
    return turns


def _compare(stage: Stage, before: Array, vectors: list[Array], computed: Array, rotation: Array) -> None:
    layout = stage.place.layout
    expected = rotate(torch.from_numpy(before), layout, torch.from_numpy(rotation)).numpy()
    size = max(float(np.abs(before).max()), 1e-300)
    stage.difference.append(float(np.abs(computed - expected).max()) / size)
    for number, (part, vector) in enumerate(zip(layout.slices(), vectors, strict=True)):
        stage.computed[number].append(computed[:, part] @ vector)
        stage.expected[number].append(expected[:, part] @ vector)
