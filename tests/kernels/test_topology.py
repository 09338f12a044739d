"""The orders of the edges, by counting."""

from __future__ import annotations

import pytest
import torch

from potentials.kernels import EdgeTopology

# Atom 1 receives nothing, atom 3 does nothing at all; an atom neighbors its own image, one pair occurs twice.
EDGES = torch.tensor([[2, 0, 2, 1, 1, 4, 0], [0, 0, 0, 2, 4, 4, 4]])


def test_rows_of_receivers_and_senders() -> None:
    topology = EdgeTopology.from_edge_index(EDGES, 5)
    assert (topology.num_nodes, topology.num_edges) == (5, 7)
    for atom in range(5):
        row = range(*topology.receiver_pointer[atom : atom + 2].tolist())
        assert list(row) == [edge for edge in range(7) if EDGES[1, edge] == atom]
        row = topology.sender_order[slice(*topology.sender_pointer[atom : atom + 2].tolist())]
        assert row.tolist() == [edge for edge in range(7) if EDGES[0, edge] == atom]


def test_the_parts_that_a_graph_keeps_make_the_same_topology() -> None:
    expected = EdgeTopology.from_edge_index(EDGES, 5)
    receiver_degree, sender_degree = torch.tensor([3, 0, 1, 0, 3]), torch.tensor([2, 2, 2, 0, 1])
    found = EdgeTopology.from_degrees(
        EDGES, receiver_degree, expected.sender_order, sender_degree, expected.edge_pair, expected.pair_edges
    )
    assert all(torch.equal(first, second) for first, second in zip(found, expected, strict=True))


def test_edges_without_known_reverse_are_pairs_of_their_own() -> None:
    topology = EdgeTopology.from_edge_index(EDGES, 5)
    assert topology.num_pairs == 7
    assert topology.pair_edges.tolist() == [[edge, edge] for edge in range(7)]
    assert topology.edge_pair.tolist() == list(range(7))


def test_no_edges_and_no_atoms() -> None:
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    isolated = EdgeTopology.from_edge_index(nothing, 3)
    assert isolated.receiver_pointer.tolist() == [0, 0, 0, 0]
    assert (isolated.num_nodes, isolated.num_edges) == (3, 0)
    assert EdgeTopology.from_edge_index(nothing, 0).num_nodes == 0


def test_edges_in_another_order_are_refused() -> None:
    with pytest.raises(ValueError, match="sorted by receiver"):
        EdgeTopology.from_edge_index(EDGES.flip(1), 5)
