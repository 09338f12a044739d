"""Norms of the messages from each neighbor to an atom, edge by edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.equivariant import Irrep
from potentials.models.anatomy import MessageRound
from potentials.visualization.numbers import compact
from potentials.visualization.observation import Observation
from potentials.visualization.scene import Scene

MOST_NEIGHBORS = 60
"""Largest number of neighbors of an atom; those with the largest messages are kept."""

Array = NDArray[np.float64]


def block_norms(messages: Array, blocks: Sequence[tuple[Irrep, int]]) -> Array:
    """Compute norms of messages [E, components, C] over components, paths and channels.

    Returns:
        [E, blocks], or the norm over all components [E, 1] if there are no blocks.
    """
    sizes = [irrep.dim * paths for irrep, paths in blocks] or [messages.shape[1]]
    stops = np.cumsum(sizes)
    squares = np.square(messages).sum(axis=2)
    return np.sqrt(
        np.stack([squares[:, stop - size : stop].sum(axis=1) for size, stop in zip(sizes, stops, strict=True)], axis=1)
    )


def messages_json(observation: Observation, rounds: Sequence[MessageRound], scene: Scene) -> dict[str, Any]:
    """Return data for `visualize.js`: neighbors of each atom shown, and per round the norms of their messages."""
    topology, vectors = observation.topology, observation.edge_vectors
    messages = [observation.messages(place) for place in rounds]
    norms = [block_norms(made, place.blocks) for made, place in zip(messages, rounds, strict=True)]
    symbols = scene.atoms.get_chemical_symbols()
    total = sum(of_round.sum(axis=1) for of_round in norms)
    receivers, edges_of = [], []
    for atom in scene.shown:
        start, stop = topology.receiver_pointer[atom : atom + 2].tolist()
        edges = np.arange(start, stop)
        edges = edges[np.argsort(-total[edges], kind="stable")][:MOST_NEIGHBORS]
        edges = edges[np.argsort(np.linalg.norm(vectors[edges], axis=1), kind="stable")]
        edges_of.append(edges)
        senders = topology.senders[edges].tolist()
        receivers.append(
            {
                "of": stop - start,
                "neighbors": [
                    {"symbol": symbols[sender], "number": sender, "offset": compact(-vectors[edge])}
                    for sender, edge in zip(senders, edges, strict=True)
                ],
            }
        )
    described = []
    for place, made, sizes in zip(rounds, messages, norms, strict=True):
        sums = [
            block_norms(
                made[slice(*topology.receiver_pointer[atom : atom + 2].tolist())].sum(axis=0)[None], place.blocks
            )
            for atom in scene.shown
        ]
        described.append(
            {
                "name": place.name,
                "blocks": [str(irrep) for irrep, _ in place.blocks] or ["all orientations"],
                "sizes": [[compact(sizes[edge]) for edge in edges] for edges in edges_of],
                "sums": [compact(total) for total in sums],
            }
        )
    return {"receivers": receivers, "rounds": described}
