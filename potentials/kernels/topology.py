"""Which atom sends to which, in the order the kernels need."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class EdgeTopology(NamedTuple):
    """Edges sorted by receiver, and the permutation that sorts the same edges by sender.

    Sorted rows are what makes the sums over edges free of atomics: each row is added up by one worker, in one order.
    """

    senders: Tensor
    """[E] int64."""
    receivers: Tensor
    """[E] int64, ascending."""
    receiver_pointer: Tensor
    """[N + 1] int64: the edges of receiver n are `receiver_pointer[n]:receiver_pointer[n + 1]`."""
    sender_order: Tensor
    """[E] int64: the edges, taken in this order, are sorted by sender."""
    sender_pointer: Tensor
    """[N + 1] int64 into `sender_order`."""
    edge_pair: Tensor
    """[E] int64, the pair an edge belongs to: an edge and its reverse have one length, so one radial weight."""
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
        """Make it from edges sorted by receiver, the number of edges per receiver and per sender, and the pairs."""
        senders, receivers = edge_index[0].contiguous(), edge_index[1].contiguous()
        receiver_pointer, sender_pointer = _pointer(receiver_degree), _pointer(sender_degree)
        return cls(senders, receivers, receiver_pointer, sender_order, sender_pointer, edge_pair, pair_edges)

    @classmethod
    def from_edge_index(cls, edge_index: Tensor, num_nodes: int) -> EdgeTopology:
        """Make it from edges that are sorted by receiver; raises `ValueError` when they are not."""
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
        """The same edges with each its own pair: for weights that differ between an edge and its reverse."""
        edges = torch.arange(self.num_edges, device=self.senders.device)
        return self._replace(edge_pair=edges, pair_edges=torch.stack([edges, edges], dim=1))


def _pointer(degree: Tensor) -> Tensor:
    return torch.cat([degree.new_zeros(1), degree.cumsum(0)])
