"""Modules of NequIP: equivariant convolutions with gates. Equation numbers refer to this file.

Symbols: h, features of the atoms [N, rows, C]; a, embeddings of the species; Y, spherical harmonics of the edges;
R, radial functions of the pairs, one for each path and channel; m, messages summed over the neighbors; u, features
before the gate; g, gates; W, linear maps of paths and channels of each block; N, average number of neighbors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from potentials.equivariant import (
    BlockMixing,
    Blocks,
    Gate,
    Irrep,
    Layout,
    ScaledActivation,
    SpeciesGroups,
    message_table,
)
from potentials.equivariant.mixing import mix_by_species, table_between
from potentials.kernels import EdgeTopology, block_mix
from potentials.models.blocks import EdgeEmbedding, RadialNetwork, ScalarNetwork
from potentials.models.nequip.config import NequIPConfig
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions
from potentials.models.readouts import ReadoutNetwork

SCALAR = Irrep(0, 1)


def feature_blocks(config: NequIPConfig, layout: Layout) -> Blocks:
    """Return the blocks of features with the channels of their degrees, in units of their common divisor."""
    return Blocks((irrep, config.channels_of(irrep.degree) // config.channel_unit) for irrep in layout)


class SelfConnection(nn.Module):
    """Linear map of each block with weights that are linear in the embedding of the species.

    sc_i,lw = sum_uv h_i,lu a_{z_i},v W^l_uvw / sqrt(C_l C_0)    (5)
    """

    def __init__(self, inputs: Blocks, outputs: Blocks, unit: int, unit_out: int, embedding_size: int) -> None:
        super().__init__()
        self.outputs = outputs.layout
        self.table = table_between(inputs, outputs, unit, unit_out)
        self.factor = embedding_size**-0.5
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(block.copies * unit, embedding_size, block.copies_out * unit_out))
            for block in self.table.blocks
        )

    def forward(self, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Map features [N, rows, C] and the embedding table [S, C_0] to [N, output rows, C']."""
        by_species = [torch.einsum("zv,uvw->zuw", embedding, weight).flatten(1) for weight in self.weights]
        return mix_by_species(self.table, h, torch.cat(by_species, dim=1), groups, self.factor)


class LinearSelfConnection(nn.Module):
    """Linear map of each block with the same weights for all species.

    sc_i,lw = sum_u h_i,lu W^l_uw / sqrt(C_l)    (5)
    """

    def __init__(self, inputs: Blocks, outputs: Blocks, unit: int, unit_out: int) -> None:
        super().__init__()
        self.table = table_between(inputs, outputs, unit, unit_out)
        self.weight = nn.Parameter(torch.randn(1, self.table.num_weights))

    def forward(self, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Map features [N, rows, C] to [N, output rows, C']; embedding and species do not matter."""
        return block_mix(self.table, h, self.weight)


class Convolution(nn.Module):
    """One layer: convolution, self-connection and gate.

    m_i = 1 / sqrt(N) sum_j R(r_ij) (Y(r_ij) (x) W_1 h_j)    (4)
    u_i = W_2 m_i + sc_i                                     (6)
    h_i <- gate(u_i, g_i)                                    (7)

    (x) couples each block of h with each block of Y (a path); one operator computes the sum over neighbors. The gates g
    are further scalars, computed in the same way as u. As published, the first layer has no self-connection sc (eq. 5).

    Attributes:
        outputs: output blocks: those of `wanted` that the input can reach by symmetry.
    """

    def __init__(self, config: NequIPConfig, inputs: Blocks, wanted: Layout, first: bool) -> None:
        super().__init__()
        unit, bias = config.channel_unit, config.bias
        self.channels = unit
        self.scale = float(config.average_neighbors) ** -0.5
        self.coupling = message_table(inputs, config.degree, wanted, config.parity != "ignored")
        self.outputs = feature_blocks(config, self.coupling.layout)
        self.gate = Gate(self.outputs)
        self.linear_1 = BlockMixing(inputs, unit, unit, outputs=inputs, bias=bias)
        degrees = [degree for degree in self.coupling.degrees() for _ in range(unit)]
        sizes = [config.radial.size, *config.radial_mlp, len(degrees)]
        powers = degrees if config.solid_harmonics else None
        self.radial_network = RadialNetwork(sizes, factor=math.sqrt(2), powers=powers)
        self.linear_2 = BlockMixing(self.coupling.blocks, unit, unit, outputs=self.outputs, bias=bias)
        scalars, num_gates = Blocks([(SCALAR, 1)]), sum(copies for _, copies in self.gate.gated)
        self.self_connection = _self_connection(config, inputs, self.outputs, unit, first)
        self.gates: BlockMixing | None = None
        self.gates_self_connection: SelfConnection | LinearSelfConnection | None = None
        if num_gates:
            self.gates = BlockMixing(self.coupling.blocks, unit, num_gates * unit, outputs=scalars, bias=bias)
            self.gates_self_connection = _self_connection(config, inputs, scalars, num_gates * unit, first)

    def forward(
        self,
        h: Tensor,
        Y: Tensor,
        basis: RadialFunctions,
        embedding: Tensor,
        groups: SpeciesGroups,
        topology: EdgeTopology,
    ) -> Tensor:
        """Map features [N, input rows, C] to [N, output rows, C]."""
        R = self.radial_network(basis)
        m = R.message_sum(self.coupling.table, self.linear_1(h, self.scale), Y, topology)  # (4)
        u = self.linear_2(m)  # (6)
        if self.self_connection is not None:
            u = u + self.self_connection(h, embedding, groups)  # (5), (6)
        return self.gate(u, self._gates(m, h, embedding, groups))  # (7)

    def _gates(self, m: Tensor, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Compute the gates g, one scalar for each block of degree > 0, copy and channel, [N, gated copies, C]."""
        if self.gates is None:
            return m.new_empty(m.shape[0], 0, self.channels)
        g = self.gates(m)
        if self.gates_self_connection is not None:
            g = g + self.gates_self_connection(h, embedding, groups)
        return g.squeeze(1).unflatten(1, (-1, self.channels))


def _self_connection(
    config: NequIPConfig, inputs: Blocks, outputs: Blocks, unit_out: int, first: bool
) -> SelfConnection | LinearSelfConnection | None:
    """Create the self-connection of a layer, if it has one."""
    if config.self_connection == "linear":
        return LinearSelfConnection(inputs, outputs, config.channel_unit, unit_out)
    if config.self_connection == "all layers" or (config.self_connection and not first):
        return SelfConnection(inputs, outputs, config.channel_unit, unit_out, config.scalar_channels)
    return None


def hidden_layout(config: NequIPConfig) -> Layout:
    """Return the irreps of the features between layers."""
    if config.parity == "ignored":
        return Layout(Irrep(degree, 1) for degree in range(config.degree + 1))
    return Layout.full(config.degree) if config.parity else Layout.natural(config.degree)


class NequIP(ReadoutNetwork):
    """The NequIP network: node energies from distances, directions and species.

    h_i = a_{z_i}                          (1)  embedding
    h_i <- convolution(h)_i, each layer    (2)  `Convolution`
    e_i = w . h_i / sqrt(C_0)              (3)  readout of the even scalars, the only block after the last layer

    Features are rows of C channels: with `channels: [128, 64, 32]`, C is 32, and the scalars have 4 copies, so C_0 is
    128; see `Blocks`.
    """

    def __init__(self, config: NequIPConfig) -> None:
        super().__init__()
        self.config = config
        self.num_species = len(config.elements)
        self.embedding = nn.Parameter(torch.randn(self.num_species, config.scalar_channels))
        radial = RadialBasis(config.radial, config.cutoff, config.elements)
        # NequIP's directions point from the receiver to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        blocks = feature_blocks(config, Layout([SCALAR]))
        self.convolutions = nn.ModuleList()
        for layer in range(config.layers):
            wanted = Layout([SCALAR]) if layer == config.layers - 1 else hidden_layout(config)
            convolution = Convolution(config, blocks, wanted, first=layer == 0)
            self.convolutions.append(convolution)
            blocks = convolution.outputs
        self.readout = ScalarNetwork([config.scalar_channels, 1], ScaledActivation("silu"))

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[Tensor]:
        """Compute the scalars h [N, C_0] after the last layer; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        groups = SpeciesGroups.from_species(species, self.num_species)
        h = self.embedding[species].unflatten(1, (-1, self.config.channel_unit))  # (1)
        for convolution in self.convolutions:
            h = convolution(h, Y, basis, self.embedding, groups, topology)  # (2)
        return [h.flatten(1)]

    def energies(self, features: Iterable[Tensor], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        (h,) = features
        return readouts(h).squeeze(1)  # (3)

    @property
    def first_readouts(self) -> nn.Module:
        """The readout of the first head."""
        return self.readout

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the weights with weight decay: all linear maps of features, without embeddings and radial networks."""
        mixing = (BlockMixing, SelfConnection, LinearSelfConnection)
        modules = [module for module in self.modules() if isinstance(module, mixing)]
        return [p for module in modules for name, p in module.named_parameters() if name != "bias"]
