"""Attention between neighbors as in E3x, where the values are sent as messages (arXiv:2401.07595)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant.e3x.dense import Dense
from potentials.equivariant.e3x.message_pass import MessagePass
from potentials.equivariant.layout import Layout
from potentials.errors import LayoutError
from potentials.kernels import EdgeTopology, MessagePath, MessageTable, message_gradients, message_sum

_SMALLEST = 1e-18
"""Lower bound of the cutoff function in logarithms and quotients."""


class PositionEncoding(nn.Module):
    """p_{bc}(r) = sum_k R_k(r) W_k,bc / sqrt(K) for each block b and channel c.

    Weights are initialized standard normal.

    Args:
        layout: the blocks.
        size: number of radial functions K.
        channels: channels of the features.
    """

    def __init__(self, layout: Layout, size: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size, len(layout) * channels))

    def matrix(self) -> Tensor:
        """Return the matrix [K, B C] that maps the radial basis to the encoding."""
        return self.weight * self.weight.shape[0] ** -0.5

    def forward(self, radial: Tensor) -> Tensor:
        """Map the radial basis [W, K] to encodings [W, B C]."""
        return radial @ self.matrix()


class AttentionWeights(nn.Module):
    """a_ij = f_cut(r_ij) exp(s_ij) / sum_k f_cut(r_ik) exp(s_ik) for each head, with

        s_ij = sum_{b m c} q_{i,bmc} k_{j,bmc} p_{bc}(r_ij) / sqrt(D C / H),

    where queries q and keys k are dense layers of the features and p is the encoding of the distance. The weights are
    invariant, because the scalar product of each block is. The channels are divided evenly among the heads, in order.

    Args:
        layout: blocks of the features, D components in total.
        channels: channels C of the features.
        heads: number of attention heads H.

    Raises:
        LayoutError: the channels cannot be divided among the heads.
    """

    def __init__(self, layout: Layout, channels: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise LayoutError(f"expected a number of heads that divides the {channels} channels, got {heads}")
        self.heads = heads
        self.scale = (layout.dim * channels / heads) ** -0.5
        self.query = Dense(layout, channels, channels, bias=False)
        self.key = Dense(layout, channels, channels, bias=False)
        self.products = _scalar_products(layout)
        self.sums = _scalar_products(Layout.natural(0))

    def forward(self, x: Tensor, encoding: Tensor, cutoff: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute the attention weights of the edges.

        Args:
            x: features [N, components, C].
            encoding: p of each pair of edges [W, B C].
            cutoff: f_cut of each pair of edges [W].
            topology: the edges.

        Returns:
            Weight of each edge and channel [E, C], the same for all channels of a head. The weights of the edges to an
            atom sum to one, or to less if the cutoff function of all its edges is below 1e-18.
        """
        directed = topology.directed()
        ones = x.new_ones(directed.num_edges, 1)
        blank = x.new_zeros(directed.num_edges, len(self.products.paths), x.shape[2])
        # The gradient with respect to the weights of messages from keys to queries is the scalar product of each block.
        dots = message_gradients(self.products, self.key(x), ones, blank, self.query(x), directed, "w")[2]
        scores = dots * encoding.index_select(0, topology.edge_pair).view_as(dots)
        scores = scores.unflatten(2, (self.heads, -1)).sum(dim=(1, 3)) * self.scale
        weights = self._normalized(scores, cutoff.index_select(0, topology.edge_pair).unsqueeze(1), directed)
        return weights.repeat_interleave(x.shape[2] // self.heads, dim=1)

    def _normalized(self, scores: Tensor, cutoff: Tensor, directed: EdgeTopology) -> Tensor:
        """Compute the softmax of scores [E, H] with factors [E, 1] over the edges of each receiver."""
        with torch.no_grad():
            # The subtracted value cancels; it keeps the largest term of each sum near one.
            logarithms = scores + cutoff.clamp(min=_SMALLEST).log()
            largest = logarithms.new_zeros(directed.num_nodes, self.heads)
            index = directed.receivers.unsqueeze(1).expand_as(logarithms)
            largest = largest.scatter_reduce(0, index, logarithms, "amax", include_self=False)
        terms = cutoff * torch.exp(scores - largest.index_select(0, directed.receivers))
        senders = terms.new_ones(directed.num_nodes, 1, self.heads)
        ones = terms.new_ones(directed.num_edges, 1)
        totals = message_sum(self.sums, senders, ones, terms.unsqueeze(1), directed).squeeze(1)
        return terms / totals.clamp(min=_SMALLEST).index_select(0, directed.receivers)


class SelfAttention(nn.Module):
    """z_i = A sum_j a_ij (filter(r_ij) Y(r_ij)) (x) v_j, as E3x's `SelfAttention`.

    A `MessagePass` of values v, a dense layer of the features, weighted by `AttentionWeights`, followed by a dense
    layer A that combines all heads.

    Args:
        layout: blocks of the features.
        edge_degree: highest degree of the harmonics.
        size: number of radial functions K.
        channels: channels of the features.
        heads: number of attention heads.
        degree: highest degree of z; by default the higher of those of the features and the harmonics.
        pseudotensors: whether z contains pseudotensors.

    Attributes:
        layout: blocks of z.

    Raises:
        LayoutError: no message has this degree, or the channels cannot be divided among the heads.
    """

    def __init__(
        self,
        layout: Layout,
        edge_degree: int,
        size: int,
        channels: int,
        heads: int = 1,
        degree: int | None = None,
        pseudotensors: bool = True,
    ) -> None:
        super().__init__()
        self.weights = AttentionWeights(layout, channels, heads)
        self.encoding = PositionEncoding(layout, size, channels)
        self.value = Dense(layout, channels, channels, bias=False)
        self.messages = MessagePass(layout, edge_degree, size, channels, degree, pseudotensors)
        self.layout = self.messages.layout
        self.output = Dense(self.layout, channels, channels)

    def forward(self, x: Tensor, Y: Tensor, radial: Tensor, cutoff: Tensor, topology: EdgeTopology) -> Tensor:
        """Attend to the neighbors.

        Args:
            x: features [N, components, C].
            Y: `spherical_harmonics` of the edges [E, (edge degree + 1)^2].
            radial: radial basis of each pair of edges [W, K], which vanishes at the cutoff.
            cutoff: cutoff function of each pair of edges [W].
            topology: the edges.

        Returns:
            Features [N, components of `layout`, C].
        """
        weights = self.weights(x, self.encoding(radial), cutoff, topology)
        return self.output(self.messages(self.value(x), Y, radial, topology, weights))


def _scalar_products(layout: Layout) -> MessageTable:
    """Return the table of messages with the components of the sender, one path for each block."""
    slices = layout.slices()
    paths = [MessagePath(s.start, 0, s.start, 1, np.eye(s.stop - s.start)[:, None]) for s in slices]
    return MessageTable.create(layout.dim, 1, layout.dim, paths)
