"""SchNet: continuous-filter convolutions of scalar features (Schuett et al., J. Chem. Phys. 148, 241722, 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig, register_family
from potentials.equivariant import Irrep, Layout, message_table
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.kernels import EdgeTopology
from potentials.models.anatomy import Anatomy, MessageRound, NodeFeatures, Recording, harmonic_paths, of_each_edge
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap

SCALARS = Layout([Irrep(0, 1)])


class SchNetRadialConfig(RadialConfig):
    """Gaussians, close together."""

    basis: Literal["bessel", "gaussian", "chebyshev"] = "gaussian"
    """Kind of the functions of the distance."""
    size: Width = 50
    """Number of radial functions."""


class SchNetConfig(FamilyConfig):
    """SchNet: each layer weighs neighbors by learned functions of their distance; features are scalars only.

    Sums over neighbors are divided by the root of `average_neighbors`; with 1 they are sums, as published. The
    published cutoff function is `radial.envelope: cosine`; the default has one continuous derivative more.
    """

    name: Literal["schnet"]
    channels: Width = 128
    """Features of an atom, and filters."""
    layers: Depth = 3
    """Interaction blocks; each adds one cutoff to what an atom sees."""
    radial: SchNetRadialConfig = SchNetRadialConfig()


def shifted_softplus(x: Tensor) -> Tensor:
    """ln(e^x / 2 + 1 / 2)."""
    return nn.functional.softplus(x) - math.log(2)


class Dense(nn.Linear):
    """x W^T + b, Glorot-uniform weights and no bias at first."""

    def reset_parameters(self) -> None:
        """Called by the constructor."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class FilterNetwork(RadialMap):
    """W(r) = f_cut(r) (ssp(e(r) A + a) B + b), the filters of one layer, and their slopes."""

    def __init__(self, radial: RadialBasis, channels: int) -> None:
        super().__init__()
        self.first = Dense(radial.size, channels)
        self.second = Dense(channels, channels)
        self.envelope, self.cutoff = radial.envelope, radial.cutoff

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Basis functions [W, size] to filters [W, C]."""

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
    """x_i + f(sum_j W(r_ij) * (A x_j)), f a dense layer, an activation and a dense layer."""

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
        """Features [N, C] to the same."""
        sent = self.sent(x).unsqueeze(1)
        message = self.filters(basis).message_sum(self.table, sent, Y, topology).squeeze(1)
        return x + self.second(shifted_softplus(self.first(message * self.scale)))

    def messages(self, name: str, edges: EdgeEmbedding, channels: int) -> MessageRound:
        """Where the messages can be seen."""
        coupling = message_table(SCALARS, 0, SCALARS)
        return MessageRound(
            name,
            coupling.table,
            coupling.blocks,
            harmonic_paths(coupling),
            sent=lambda seen: seen.result(self.sent).unsqueeze(1) * self.scale,
            harmonics=lambda seen: seen.result(edges)[0],
            weights=lambda seen, topology: of_each_edge(seen.result(self.filters), channels, topology),
            summed=lambda seen: seen.argument(self.first).unsqueeze(1),
            radial=self.filters,
        )


class SchNet(nn.Module):
    """The network. Distances and species in; node energies out."""

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

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A and species [N] to node energies [N], before scale and shift."""
        Y, basis = self.edges(edge_vectors, species, topology)
        x = self.embedding[species]
        for interaction in self.interactions:
            x = interaction(x, Y, basis, topology)
        return self.second(shifted_softplus(self.first(x))).squeeze(1)

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        channels = self.embedding.shape[1]
        features = [NodeFeatures("x, elements", SCALARS, lambda seen: seen.argument(self.interactions[0]).unsqueeze(1))]
        rounds = []
        for number, interaction in enumerate(cast("list[Interaction]", self.interactions), start=1):
            rounds.append(interaction.messages(f"layer {number}", self.edges, channels))
            features.append(NodeFeatures(f"x, features after layer {number}", SCALARS, _scalars_of(interaction)))
        remark = "SchNet's features are scalars: what an atom knows of its surroundings has a size but no direction."
        return Anatomy(0, features, rounds, self.edges.radial, channels, remark=remark)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The matrices of the dense layers."""
        dense = [module for module in self.modules() if isinstance(module, Dense)]
        return [parameter for module in dense for name, parameter in module.named_parameters() if name == "weight"]


def _scalars_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module).unsqueeze(1)


register_family("schnet", SchNetConfig, SchNet)
