"""Modules of SchNet: continuous-filter convolutions of scalar features. Equation numbers refer to this file.

Symbols: x, features of the atoms [N, C]; z, species; r, distances; e(r), radial basis; f_cut, its envelope; W, filters;
m, messages summed over the neighbors; D, dense layers; ssp, the shifted softplus; N, average number of neighbors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from potentials.equivariant import Irrep, Layout, message_table
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.kernels import EdgeTopology
from potentials.models.blocks import Dense, EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap
from potentials.models.readouts import ReadoutNetwork
from potentials.models.schnet.config import SchNetConfig

SCALARS = Layout([Irrep(0, 1)])


def shifted_softplus(x: Tensor) -> Tensor:
    """Compute ln(e^x / 2 + 1 / 2)."""
    return nn.functional.softplus(x) - math.log(2)


class FilterNetwork(RadialMap):
    """Continuous filters of one layer with their derivatives dW/dr.

    W(r) = f_cut(r) D ssp(D e(r))    (4)
    """

    def __init__(self, radial: RadialBasis, channels: int) -> None:
        super().__init__()
        self.first = Dense(radial.size, channels)
        self.second = Dense(channels, channels)
        self.envelope, self.cutoff = radial.envelope, radial.cutoff

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Map basis functions [W, size] to filters [W, C]."""

        def at(r: Tensor) -> ValuesAndSlopes:
            return self._filters(*functions.at(r), r)

        found = self._filters(functions.values, functions.slopes, functions.distances.detach())
        return RadialFunctions(*found, functions.distances, at)

    def _filters(self, values: Tensor, slopes: Tensor, r: Tensor) -> ValuesAndSlopes:
        hidden = self.first(values)
        values = self.second(shifted_softplus(hidden))
        slopes = (torch.sigmoid(hidden) * (slopes @ self.first.weight.T)) @ self.second.weight.T
        envelope, slope = self.envelope(r / self.cutoff)
        return values * envelope, slopes * envelope + values * (slope / self.cutoff)


class Interaction(nn.Module):
    """One interaction block: a continuous-filter convolution, then atom-wise dense layers.

    m_i = 1 / sqrt(N) sum_j W(r_ij) * (A x_j)    (5)
    x_i <- x_i + D ssp(D m_i)                    (6)

    * is the channel-wise product; A is a dense layer without bias, W are the filters of eq. 4.
    """

    def __init__(self, config: SchNetConfig, radial: RadialBasis) -> None:
        super().__init__()
        channels = config.channels
        self.scale = float(config.average_neighbors) ** -0.5
        self.table = message_table(SCALARS, 0, SCALARS).table
        self.sent = Dense(channels, channels, bias=False)
        self.filters = FilterNetwork(radial, channels)
        self.first = Dense(channels, channels)
        self.second = Dense(channels, channels)

    def forward(self, x: Tensor, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Map features [N, C] to features [N, C]."""
        W = self.filters(basis)  # (4)
        m = W.message_sum(self.table, self.sent(x).unsqueeze(1), Y, topology).squeeze(1) * self.scale  # (5)
        return x + self.second(shifted_softplus(self.first(m)))  # (6)


class SchNet(ReadoutNetwork):
    """The SchNet network: node energies from distances and species.

    x_i = a_{z_i}                        (1)  embedding
    x_i <- interaction(x)_i, each layer  (2)  `Interaction`
    e_i = D ssp(D x_i)                   (3)  readout
    """

    def __init__(self, config: SchNetConfig) -> None:
        super().__init__()
        channels = config.channels
        self.embedding = nn.Parameter(torch.randn(len(config.elements), channels))
        radial = RadialBasis(config.radial, config.cutoff, config.elements, enveloped=False)
        self.edges = EdgeEmbedding(radial, 0)
        self.interactions = nn.ModuleList(Interaction(config, radial) for _ in range(config.layers))
        hidden = max(1, channels // 2)
        self.first = Dense(channels, hidden)
        self.second = Dense(hidden, 1)

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[Tensor]:
        """Compute x [N, C] after the last layer; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        x = self.embedding[species]  # (1)
        for interaction in self.interactions:
            x = interaction(x, Y, basis, topology)  # (2)
        return [x]

    def energies(self, features: Iterable[Tensor], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        (x,) = features
        first, second = cast(nn.ModuleList, readouts)
        return second(shifted_softplus(first(x))).squeeze(1)  # (3)

    @property
    def first_readouts(self) -> nn.Module:
        """The dense layers of the readout of the first head."""
        return nn.ModuleList([self.first, self.second])

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the matrices of the dense layers."""
        dense = [module for module in self.modules() if isinstance(module, Dense)]
        return [parameter for module in dense for name, parameter in module.named_parameters() if name == "weight"]
