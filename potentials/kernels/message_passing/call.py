"""Calls of the message-passing operators in terms of sums over edges and channels, independent of the backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from potentials.kernels.memory import allocate
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.topology import EdgeTopology


class MessageKernel(NamedTuple):
    """Specification of a sum.

    Attributes:
        output: `g`, `h`, or a string of `Y` and `w`; `r` instead of `w` is the gradient with respect to the distance.
        directions: the arguments among `hYw` along which the derivative is taken; empty for the contraction itself.
        splines: whether the radial weights are splines of the distance, evaluated when needed.
    """

    output: str
    directions: str = ""
    splines: bool = False


class MessageCall(ABC):
    """Contiguous arguments of one call, and the derivatives of Q in terms of sums that the subclass computes.

    Args:
        table: the couplings.
        topology: the edges.
        h: sender features [N, A, C].
        others: Y, w, g and the directions dh, dY, dw, if the call has them; for radial splines, `coefficients` and
            their further arguments instead of w.
    """

    def __init__(self, table: MessageTable, topology: EdgeTopology, h: Tensor, **others: Tensor | None) -> None:
        self.table, self.topology, self.like, self.channels = table, topology, h, h.shape[2]
        given = {"h": h} | {name: value for name, value in others.items() if value is not None}
        self.has_splines = "coefficients" in given
        self.arguments = given

    @abstractmethod
    def run(self, kernel: MessageKernel, first: Tensor, second: Tensor) -> None:
        """Compute a sum over the edges of each atom, or sums over channels.

        Sums over edges and the sum `Y` are written to `first`, other sums over channels to `second`. The number of
        channels and the number of atoms or pairs are not zero.
        """

    def new(self, *shape: int) -> Tensor:
        """Allocate memory for a result."""
        return allocate(self.like, *shape)

    def node_sum(self, output: str, directions: str = "") -> Tensor:
        """Compute dQ/dg or dQ/dh, or its derivative along the directions."""
        nodes = self.topology.num_nodes
        components = self.table.receiver_components if output == "g" else self.table.sender_components
        result = self.new(nodes, components, self.channels)
        if result.numel():
            self.run(MessageKernel(output, directions, self.has_splines), result, result)
        return result

    def pair_sums(self, wanted: str, directions: str = "") -> tuple[Tensor, Tensor]:
        """Compute dQ/dY [E, B] and dQ/dw [W, P, C] or dQ/dr [W, 1], or their derivatives along the directions.

        `wanted` is a string of `Y`, `w` and `r`; results that are not requested are empty.
        """
        topology, table = self.topology, self.table
        first = second = self.new(0)
        if "Y" in wanted:
            first = self.new(topology.num_edges, table.harmonic_components)
        if "w" in wanted:
            second = self.new(topology.num_pairs, len(table.paths), self.channels)
        elif "r" in wanted:
            second = self.new(topology.num_pairs, 1)
        if self.channels == 0:
            return first.zero_(), second.zero_()
        if wanted and topology.num_pairs:
            self.run(MessageKernel(wanted, directions, self.has_splines), first, second)
        return first, second

    def gradients(self, wanted: str) -> tuple[Tensor, Tensor, Tensor]:
        """Compute dQ/dh, dQ/dY, and dQ/dw or dQ/dr; results not in `wanted` (of `hYwr`) are empty."""
        features = self.node_sum("h") if "h" in wanted else self.new(0)
        return (features, *self.pair_sums("".join(name for name in "Ywr" if name in wanted)))

    def tangents(self, wanted: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw); others than `wanted` are empty."""
        directions = "".join(name for name in "hYw" if f"d{name}" in self.arguments)
        results: dict[str, Tensor] = {}
        for output in "hg":
            along = directions.replace(output, "")
            if output not in wanted:
                results[output] = self.new(0)
            else:
                results[output] = self.node_sum(output, along) if along else self._zeros(output)
        # dQ/dY does not depend on Y, nor dQ/dw on w; a sum for both takes all directions, and one must be relevant.
        pair_wanted = "".join(name for name in "Yw" if name in wanted and directions.replace(name, ""))
        results["Y"], results["w"] = self.pair_sums(pair_wanted, directions)
        for name in "Yw":
            if name in wanted and name not in pair_wanted:
                results[name] = self._zeros(name)
        return results["h"], results["Y"], results["w"], results["g"]

    @classmethod
    def message_sum(cls, table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute dQ/dg [N, D, C]."""
        return cls(table, topology, h, Y=Y, w=w).node_sum("g")

    @classmethod
    def message_gradients(
        cls, table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute dQ/dh, dQ/dY and dQ/dw, as far as requested."""
        return cls(table, topology, h, Y=Y, w=w, g=g).gradients(wanted)

    @classmethod
    def message_tangents(
        cls,
        table: MessageTable,
        h: Tensor,
        Y: Tensor,
        w: Tensor,
        g: Tensor,
        dh: Tensor | None,
        dY: Tensor | None,
        dw: Tensor | None,
        topology: EdgeTopology,
        wanted: str,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw), as far as requested."""
        return cls(table, topology, h, Y=Y, w=w, g=g, dh=dh, dY=dY, dw=dw).tangents(wanted)

    def _zeros(self, name: str) -> Tensor:
        return torch.zeros_like(self.arguments[name])
