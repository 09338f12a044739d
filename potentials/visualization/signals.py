"""Features as signals on the sphere: f(u) = sum_m h_lm Y_lm(u) for directions u."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from potentials.equivariant import Irrep, spherical_harmonics
from potentials.models.anatomy import NodeFeatures
from potentials.visualization.numbers import compact
from potentials.visualization.observation import Observation

MOST_CHANNELS = 24
"""Largest number of channels of each block; the strongest are kept."""
MIXTURES = 3
"""Number of combinations of channels that are shown in addition to single channels."""

Array = NDArray[np.float64]


def sphere(divisions: int) -> tuple[Array, NDArray[np.int64]]:
    """Return points [P, 3] of the unit sphere and triangles [T, 3] of an icosahedron, subdivided `divisions` times."""
    g = (1 + 5**0.5) / 2
    corners = [(0.0, a, b * g) for a in (-1, 1) for b in (-1, 1)]
    points = [np.roll(corner, shift) / np.sqrt(1 + g * g) for shift in range(3) for corner in corners]
    edge = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(points, 2))
    near = [[np.linalg.norm(a - b) < 1.1 * edge for b in points] for a in points]
    triangles = [
        (a, b, c) if np.linalg.det([points[a], points[b], points[c]]) > 0 else (a, c, b)
        for a, b, c in itertools.combinations(range(12), 3)
        if near[a][b] and near[b][c] and near[a][c]
    ]
    for _ in range(divisions):
        middles: dict[tuple[int, int], int] = {}

        def middle(a: int, b: int, middles: dict[tuple[int, int], int] = middles) -> int:
            pair = (min(a, b), max(a, b))
            if pair not in middles:
                middles[pair] = len(points)
                points.append((points[a] + points[b]) / np.linalg.norm(points[a] + points[b]))
            return middles[pair]

        finer = []
        for a, b, c in triangles:
            ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        triangles = finer
    return np.array(points), np.array(triangles, dtype=np.int64)


def sphere_json(degree: int) -> dict[str, Any]:
    """Return the sphere on which signals are drawn, with all harmonics up to a degree at its points."""
    points, triangles = sphere(3)
    harmonics = spherical_harmonics(torch.from_numpy(points), degree).numpy()
    return {
        "points": compact(points),
        "triangles": triangles.ravel().tolist(),
        "harmonics": compact(harmonics),
        "components": (degree + 1) ** 2,
    }


def mixtures(block: Array) -> tuple[Array, Array]:
    """Compute the combinations of channels with the largest values of a block of features [N, 2l + 1, C].

    They are the leading eigenvectors v of sum_im h_imc h_imc', so that the combined features h . v transform like every
    channel.

    Returns:
        Vectors [C, K] of unit length, the largest entry positive, and the fraction [K] of the block's squared norm in
        each.
    """
    products = np.einsum("nmc,nmd->cd", block, block)
    values, vectors = np.linalg.eigh(products)
    kept = min(MIXTURES, block.shape[2])
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])
    return vectors, values / max(float(np.trace(products)), 1e-300)


@dataclass(frozen=True, eq=False)
class Block:
    """One block of the features of a layer.

    Args:
        irrep: degree and parity.
        values: [N, 2l + 1, C].
    """

    irrep: Irrep
    values: Array

    @property
    def is_pseudotensor(self) -> bool:
        """Whether its sign under inversion is opposite to that of a proper tensor of its degree."""
        return self.irrep.parity != (-1) ** self.irrep.degree

    def describe(self) -> str:
        """Describe the block, such as `1o: vectors`."""
        names = ["scalars", "vectors", "second-degree tensors", "third-degree tensors"]
        name = names[self.irrep.degree] if self.irrep.degree < len(names) else f"tensors of degree {self.irrep.degree}"
        return f"{self.irrep}: {'pseudo-' if self.is_pseudotensor else ''}{name}"


def blocks_at(place: NodeFeatures, features: Array) -> list[Block]:
    """Split the features [N, components, C] of a layer into blocks."""
    return [
        Block(irrep, features[:, rows].reshape(len(features), irrep.dim, copies * features.shape[2]))
        for (irrep, copies), rows in zip(place.blocks, place.blocks.slices(), strict=True)
    ]


def features_json(observation: Observation, places: Sequence[NodeFeatures], shown: NDArray[np.int64]) -> dict[str, Any]:
    """Return all blocks of all layers for the atoms shown, for `visualize.js`."""
    stages = []
    for place in places:
        features = observation.features(place)[shown]
        if place.grid is not None:
            block = Block(Irrep(0, 1), features)
            described = [{**_block_json(block), "label": "values on a grid of orientations"}]
            stages.append({"name": place.name, "blocks": described, "grid": compact(place.grid.numpy())})
        else:
            stages.append({"name": place.name, "blocks": [_block_json(block) for block in blocks_at(place, features)]})
    return {"stages": stages}


def _block_json(block: Block) -> dict[str, Any]:
    """Return the values [N, 2l + 1, channels]: first the combinations, then single channels from strong to weak."""
    vectors, shares = mixtures(block.values)
    strength = np.sqrt(np.square(block.values).sum(axis=(0, 1)))
    strongest = np.argsort(-strength, kind="stable")[:MOST_CHANNELS]
    names = [
        f"combination {number} ({share:.0%} of the squared norm)"
        for number, share in enumerate(shares.tolist(), start=1)
    ]
    names += [f"channel {channel}" for channel in strongest]
    values = np.concatenate([block.values @ vectors, block.values[:, :, strongest]], axis=2)
    return {
        "label": block.describe(),
        "degree": block.irrep.degree,
        "pseudo": block.is_pseudotensor,
        "channels": names,
        "mixtures": len(shares),
        "values": compact(values),
    }
