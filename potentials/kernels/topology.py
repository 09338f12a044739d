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

    @property
    def num_nodes(self) -> int:
        """Number of atoms."""
        return self.receiver_pointer.shape[0] - 1

    @property
    def num_edges(self) -> int:
        """Number of edges."""
        return self.senders.shape[0]

    @classmethod
    def from_degrees(
        cls, edge_index: Tensor, receiver_degree: Tensor, sender_order: Tensor, sender_degree: Tensor
    ) -> EdgeTopology:
        """Make it from edges sorted by receiver and the number of edges per receiver and per sender."""
        return cls(edge_index[0], edge_index[1], _pointer(receiver_degree), sender_order, _pointer(sender_degree))

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
        )


def _pointer(degree: Tensor) -> Tensor:
    return torch.cat([degree.new_zeros(1), degree.cumsum(0)])
