"""NequIP: E(3)-equivariant convolutions with gates (Batzner et al., Nature Communications 13, 2453, 2022)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from potentials.config.base import Depth, HiddenLayers, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig, register_family
from potentials.equivariant import (
    BlockMixing,
    Gate,
    Irrep,
    Layout,
    ScaledActivation,
    SpeciesGroups,
    message_table,
)
from potentials.equivariant.mixing import mix_by_species, table_between
from potentials.kernels import EdgeTopology
from potentials.models.anatomy import Anatomy, MessageRound, NodeFeatures, Recording, harmonic_paths, of_each_edge
from potentials.models.blocks import EdgeEmbedding, RadialNetwork, ScalarNetwork
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions

SCALAR = Irrep(0, 1)


class NequIPConfig(FamilyConfig):
    """NequIP: layers of equivariant convolution, species-dependent self-connection and gate, then a linear readout."""

    name: Literal["nequip"]
    channels: Width = 32
    """Channels of every degree and parity."""
    layers: Depth = 4
    """Message-passing layers; each adds one cutoff to what an atom sees."""
    degree: int = Field(default=1, ge=0, le=4)
    """Highest degree of features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether features hold pseudotensors (1e, 0o, ...) besides proper tensors."""
    radial: SteepRadialConfig = SteepRadialConfig()
    radial_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the radial networks."""
    self_connection: bool = True
    """Add a species-dependent map of each layer's input (in all layers but the first)."""


class SelfConnection(nn.Module):
    """Map of each block with weights bilinear in the species embedding: y_lw = sum_uv x_lu a_zv W^l_uvw / sqrt(C F)."""

    def __init__(self, inputs: Layout, outputs: Layout, channels: int, channels_out: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.table = table_between(inputs, outputs, channels, channels_out)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(channels, channels, channels_out)) for _ in self.table.blocks
        )

    def forward(self, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Features [N, components, C] and the embedding table [S, C] to [N, output components, channels_out]."""
        by_species = [torch.einsum("zv,uvw->zuw", embedding, weight).flatten(1) for weight in self.weights]
        return mix_by_species(self.table, h, torch.cat(by_species, dim=1), groups, h.shape[2] ** -0.5)


class Convolution(nn.Module):
    """One layer: mix, convolve, mix, add the self-connection, gate.

    Attributes:
        outputs: the blocks it makes: those of `wanted` that symmetry lets the input reach.
    """

    def __init__(self, config: NequIPConfig, inputs: Layout, wanted: Layout, first: bool) -> None:
        super().__init__()
        channels = config.channels
        self.channels = channels
        self.scale = float(config.average_neighbors) ** -0.5
        self.coupling = message_table(inputs, config.degree, wanted)
        self.outputs = self.coupling.layout
        self.gate = Gate(self.outputs)
        self.linear_1 = BlockMixing([(irrep, 1) for irrep in inputs], channels, channels)
        num_weights = len(self.coupling.paths) * channels
        sizes = [config.radial.size, *config.radial_mlp, num_weights]
        self.radial_network = RadialNetwork(sizes, factor=math.sqrt(2))
        self.linear_2 = BlockMixing(self.coupling.blocks, channels, channels)
        num_gates = len(self.gate.gated)
        connected = config.self_connection and not first
        self.self_connection = SelfConnection(inputs, self.outputs, channels, channels) if connected else None
        self.gates: BlockMixing | None = None
        self.gates_self_connection: SelfConnection | None = None
        if num_gates:
            scalars = Layout([SCALAR])
            self.gates = BlockMixing(self.coupling.blocks, channels, num_gates * channels, outputs=scalars)
            if connected:
                self.gates_self_connection = SelfConnection(inputs, scalars, channels, num_gates * channels)

    def forward(
        self,
        h: Tensor,
        Y: Tensor,
        basis: RadialFunctions,
        embedding: Tensor,
        groups: SpeciesGroups,
        topology: EdgeTopology,
    ) -> Tensor:
        """Features [N, input components, C] to [N, output components, C]."""
        sent = self.linear_1(h, self.scale)
        message = self.radial_network(basis).message_sum(self.coupling.table, sent, Y, topology)
        features = self.linear_2(message)
        if self.self_connection is not None:
            features = features + self.self_connection(h, embedding, groups)
        gates = features[:, :0]
        if self.gates is not None:
            gates = self.gates(message)
            if self.gates_self_connection is not None:
                gates = gates + self.gates_self_connection(h, embedding, groups)
            gates = gates.squeeze(1).unflatten(1, (-1, self.channels))
        return self.gate(features, gates)

    def messages(self, name: str, edges: EdgeEmbedding) -> MessageRound:
        """Where the messages can be seen."""
        return MessageRound(
            name,
            self.coupling.table,
            self.coupling.blocks,
            harmonic_paths(self.coupling),
            sent=lambda seen: seen.result(self.linear_1),
            harmonics=lambda seen: seen.result(edges)[0],
            weights=lambda seen, topology: of_each_edge(seen.result(self.radial_network), self.channels, topology),
            summed=lambda seen: seen.argument(self.linear_2),
            radial=self.radial_network,
        )


class NequIP(nn.Module):
    """The network. Distances, directions and species in; node energies out."""

    def __init__(self, config: NequIPConfig) -> None:
        super().__init__()
        self.config = config
        self.num_species = len(config.elements)
        self.embedding = nn.Parameter(torch.randn(self.num_species, config.channels))
        radial = RadialBasis(config.radial, config.cutoff, config.elements)
        # NequIP's directions point from the receiving atom to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        hidden = Layout.full(config.degree) if config.parity else Layout.natural(config.degree)
        layout = Layout([SCALAR])
        self.convolutions = nn.ModuleList()
        for layer in range(config.layers):
            wanted = Layout([SCALAR]) if layer == config.layers - 1 else hidden
            convolution = Convolution(config, layout, wanted, first=layer == 0)
            self.convolutions.append(convolution)
            layout = convolution.outputs
        self.readout = ScalarNetwork([config.channels, 1], ScaledActivation("silu"))

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A (sender to receiver) and species [N] to node energies [N], before scale and shift."""
        Y, basis = self.edges(edge_vectors, species, topology)
        groups = SpeciesGroups.from_species(species, self.num_species)
        h = self.embedding[species].unsqueeze(1)
        for convolution in self.convolutions:
            h = convolution(h, Y, basis, self.embedding, groups, topology)
        return self.readout(h[:, 0]).squeeze(1)

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        elements = NodeFeatures("h, elements", Layout([SCALAR]), lambda seen: seen.argument(self.convolutions[0]))
        features, rounds = [elements], []
        for number, convolution in enumerate(cast("list[Convolution]", self.convolutions), start=1):
            rounds.append(convolution.messages(f"layer {number}", self.edges))
            features.append(
                NodeFeatures(f"h, features after layer {number}", convolution.outputs, _result(convolution))
            )
        return Anatomy(self.config.degree, features, rounds, self.edges.radial, self.config.channels)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The weights that weight decay acts on: all linear maps of features, not embeddings and radial networks."""
        mixing = (BlockMixing, SelfConnection)
        return [p for module in self.modules() if isinstance(module, mixing) for p in module.parameters()]


def _result(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module)


register_family("nequip", NequIPConfig, NequIP)
