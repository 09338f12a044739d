"""Edge vectors, r_e = x_receiver - x_sender + shift . cell, and topology of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from potentials.data.geometry.graph_geometry import GraphGeometry
from potentials.kernels import EdgeTopology

if TYPE_CHECKING:
    from potentials.data.graph import AtomicGraph

Graph: TypeAlias = "AtomicGraph | GraphGeometry"


def edge_topology(graph: Graph) -> EdgeTopology:
    """Return the edges of a graph as the `EdgeTopology` that the kernels require."""
    return EdgeTopology.from_degrees(
        graph.edge_index,
        graph.receiver_degree,
        graph.sender_order,
        graph.sender_degree,
        graph.edge_pair,
        graph.pair_edges,
    )


def edge_vectors(graph: Graph) -> Tensor:
    """Compute r_e = x_receiver - x_sender + shift . cell, [E, 3] A, float64."""
    senders, receivers = graph.edge_index
    vectors = graph.positions.index_select(0, receivers) - graph.positions.index_select(0, senders)
    if len(graph.cell) == 1:
        return vectors + graph.cell_shifts @ graph.cell[0]
    cells = graph.cell[frame_of_node(graph)[senders]]
    return vectors + (graph.cell_shifts.unsqueeze(1) @ cells).squeeze(1)


def frame_of_node(graph: Graph) -> Tensor:
    """Return the index of the frame of each atom, [N] int64."""
    batch = getattr(graph, "batch", None)
    return torch.zeros_like(graph.species) if batch is None else batch
