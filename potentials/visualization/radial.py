"""Functions of the distance: the radial basis, and the learned radial weights of messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from potentials.models.anatomy import Anatomy, MessageRound
from potentials.models.radial_functions import RadialFunctions
from potentials.potential import MODEL_DTYPE, Potential
from potentials.visualization.numbers import compact
from potentials.visualization.observation import Observation
from potentials.visualization.paths import TIMES, TO

POINTS = 90
NEAREST = 0.5
"""Start of the curves, A; no two atoms are closer."""
MOST_CURVES = 8
"""Largest number of channels of a path; those with the largest weights are kept."""
BINS = 45

Array = NDArray[np.float64]


def radial_json(potential: Potential, anatomy: Anatomy, observation: Observation) -> dict[str, Any]:
    """Return data for `visualize.js`: basis, envelope, learned weights, and the distribution of distances.

    The weights are given by message-passing layer, path and pair of species.
    """
    distances = np.linspace(min(NEAREST, 0.2 * potential.cutoff), potential.cutoff, POINTS)
    species = range(len(potential.elements))
    pairs = [(sender, receiver) for sender in species for receiver in species]
    basis, depends = basis_on(potential, anatomy, distances, pairs)
    return {
        "distances": compact(distances),
        "cutoff": potential.cutoff,
        "pairs": [f"{potential.elements[sender]} to {potential.elements[receiver]}" for sender, receiver in pairs],
        "basis": [[compact(row) for row in values.T] for values in (basis if depends else basis[:1])],
        "envelope": _envelope(anatomy, potential, distances),
        "rounds": [
            _round_json(potential, anatomy, place, distances, pairs if depends else pairs[:1])
            for place in anatomy.rounds
            if place.radial is not None
        ],
        "histogram": _histogram(potential, observation, pairs),
    }


def basis_on(
    potential: Potential, anatomy: Anatomy, distances: Array, pairs: list[tuple[int, int]]
) -> tuple[list[Array], bool]:
    """Evaluate the basis at distances [R] (A) for each pair (sender, receiver) of species.

    Returns:
        The basis [R, size] of each pair, and whether it depends on the species.
    """
    values = [functions_at(potential, anatomy, distances, *pair).values.numpy().astype(np.float64) for pair in pairs]
    return values, any(not np.array_equal(values[0], other) for other in values)


def functions_at(
    potential: Potential, anatomy: Anatomy, distances: Array, sender: int, receiver: int
) -> RadialFunctions:
    """Evaluate the radial basis at distances [R] (A) between two species."""
    if anatomy.basis is None:
        raise ValueError("there is no radial basis")
    dtype = MODEL_DTYPE[potential.precision]
    r = torch.tensor(distances, dtype=dtype).unsqueeze(1)
    ends = (torch.full((len(distances),), species, dtype=torch.int64) for species in (sender, receiver))
    with torch.no_grad():
        found: RadialFunctions = anatomy.basis(r, *ends)
    return found


def weights_at(
    potential: Potential, anatomy: Anatomy, place: MessageRound, distances: Array, sender: int, receiver: int
) -> Array:
    """Evaluate the weights of a message-passing layer [R, paths, C] at distances [R] (A) between two species."""
    if place.radial is None:
        raise ValueError("the weights depend on more than the distance")
    with torch.no_grad():
        values = place.radial(functions_at(potential, anatomy, distances, sender, receiver)).values
    return values.unflatten(1, (len(place.table.paths), -1)).numpy().astype(np.float64)


def _round_json(
    potential: Potential, anatomy: Anatomy, place: MessageRound, distances: Array, pairs: list[tuple[int, int]]
) -> dict[str, Any]:
    curves = []
    for sender, receiver in pairs:
        weights = weights_at(potential, anatomy, place, distances, sender, receiver)
        of_pair = []
        # The copies of a block with more channels are successive paths of the table.
        for of_path in np.split(weights, np.cumsum(place.copies)[:-1] if place.copies else weights.shape[1], axis=1):
            channels = of_path.reshape(len(distances), -1)
            largest = np.argsort(-np.abs(channels).max(axis=0), kind="stable")[:MOST_CURVES]
            of_pair.append([{"channel": int(c), "values": compact(channels[:, c])} for c in largest])
        curves.append(of_pair)
    paths = [f"{first} {TIMES} {second} {TO} {product}" for first, second, product in place.paths]
    return {"name": place.name, "paths": paths, "curves": curves, "learned": place.learned}


def _envelope(anatomy: Anatomy, potential: Potential, distances: Array) -> list[float]:
    envelope = getattr(anatomy.basis, "envelope", None)
    return [] if envelope is None else compact(envelope(torch.from_numpy(distances) / potential.cutoff)[0].numpy())


def _histogram(potential: Potential, observation: Observation, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    """Count edges by distance, for all pairs of species together and for each pair."""
    species = observation.graph.species.numpy()
    senders, receivers = (end.numpy() for end in (observation.topology.senders, observation.topology.receivers))
    lengths = np.linalg.norm(observation.edge_vectors, axis=1)
    edges = np.linspace(0, potential.cutoff, BINS + 1)

    def counted(chosen: NDArray[np.bool_]) -> list[int]:
        return np.histogram(lengths[chosen], bins=edges)[0].tolist()

    return {
        "middles": compact(0.5 * (edges[1:] + edges[:-1])),
        "width": float(edges[1]),
        "all": counted(np.ones(len(lengths), dtype=bool)),
        "pairs": [counted((species[senders] == a) & (species[receivers] == b)) for a, b in pairs],
    }
