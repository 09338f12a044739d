"""Edges between atoms, sorted as the kernels require."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class EdgeTopology(NamedTuple):
    """Edges sorted by receiver, and the permutation that sorts the same edges by sender.

    With sorted edges, sums over edges need no atomic operations: each row is summed by one worker in a fixed order.
    """

    senders: Tensor
    """[E] int64, sender of each edge."""
    receivers: Tensor
    """[E] int64, receiver of each edge, ascending."""
    receiver_pointer: Tensor
    """[N + 1] int64: the edges of receiver n are `receiver_pointer[n]:receiver_pointer[n + 1]`."""
    sender_order: Tensor
    """[E] int64: permutation that sorts the edges by sender."""
    sender_pointer: Tensor
    """[N + 1] int64: the edges of sender n are `sender_order[sender_pointer[n]:sender_pointer[n + 1]]`."""
    edge_pair: Tensor
    """[E] int64, pair of each edge: an edge and its reverse have the same length and share radial weights."""
    pair_edges: Tensor
    """[W, 2] int64, the two edges of each pair; twice the same where an edge has no reverse."""

    @property
    def num_nodes(self) -> int:
        """Number of atoms."""
        return self.receiver_pointer.shape[0] - 1

    @property
    def num_edges(self) -> int:
        """Number of edges."""
        return self.senders.shape[0]

    @property
    def num_pairs(self) -> int:
        """Number of pairs of edges, W."""
        return self.pair_edges.shape[0]

    @classmethod
    def from_degrees(
        cls,
        edge_index: Tensor,
        receiver_degree: Tensor,
        sender_order: Tensor,
        sender_degree: Tensor,
        edge_pair: Tensor,
        pair_edges: Tensor,
    ) -> EdgeTopology:
        """Create a topology from edges sorted by receiver, the numbers of edges per receiver and sender, and pairs."""
        senders, receivers = edge_index[0].contiguous(), edge_index[1].contiguous()
        receiver_pointer, sender_pointer = _pointer(receiver_degree), _pointer(sender_degree)
        return cls(senders, receivers, receiver_pointer, sender_order, sender_pointer, edge_pair, pair_edges)

    @classmethod
    def from_edge_index(cls, edge_index: Tensor, num_nodes: int) -> EdgeTopology:
        """Create a topology from an edge index.

        Args:
            edge_index: senders and receivers [2, E] int64, sorted by receiver.
            num_nodes: number of atoms N.

        Raises:
            ValueError: the edges are not sorted by receiver.
        """
        senders, receivers = edge_index
        if receivers.numel() > 1 and bool((receivers[1:] < receivers[:-1]).any()):
            raise ValueError("edges must be sorted by receiver")
        return cls.from_degrees(
            edge_index,
            torch.bincount(receivers, minlength=num_nodes),
            torch.argsort(senders, stable=True),
            torch.bincount(senders, minlength=num_nodes),
            edges := torch.arange(senders.shape[0], device=senders.device),
            torch.stack([edges, edges], dim=1),
        )

    def directed(self) -> EdgeTopology:
        """Return the same edges, each as a pair of its own, for weights that differ between an edge and its reverse."""
        edges = torch.arange(self.num_edges, device=self.senders.device)
        return self._replace(edge_pair=edges, pair_edges=torch.stack([edges, edges], dim=1))


def _pointer(degree: Tensor) -> Tensor:
    return torch.cat([degree.new_zeros(1), degree.cumsum(0)])
