"""Modules of NequIP: equivariant convolutions with gates. Equation numbers refer to this file.

Symbols: h, features of the atoms [N, components, C]; a, embeddings of the species; Y, spherical harmonics of the edges;
R, radial functions of the pairs, one for each path and channel; m, messages summed over the neighbors; u, features
before the gate; g, gates; W, linear maps of paths and channels of each block; N, average number of neighbors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

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
from potentials.models.blocks import EdgeEmbedding, RadialNetwork, ScalarNetwork
from potentials.models.nequip.config import NequIPConfig
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions

SCALAR = Irrep(0, 1)


class SelfConnection(nn.Module):
    """Linear map of each block with weights that are linear in the embedding of the species.

    sc_i,lw = sum_uv h_i,lu a_{z_i},v W^l_uvw / C    (5)
    """

    def __init__(self, inputs: Layout, outputs: Layout, channels: int, channels_out: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.table = table_between(inputs, outputs, channels, channels_out)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(channels, channels, channels_out)) for _ in self.table.blocks
        )

    def forward(self, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Map features [N, components, C] and the embedding table [S, C] to [N, output components, channels_out]."""
        by_species = [torch.einsum("zv,uvw->zuw", embedding, weight).flatten(1) for weight in self.weights]
        return mix_by_species(self.table, h, torch.cat(by_species, dim=1), groups, h.shape[2] ** -0.5)


class Convolution(nn.Module):
    """One layer: convolution, self-connection and gate.

    m_i = 1 / sqrt(N) sum_j R(r_ij) (Y(r_ij) (x) W_1 h_j)    (4)
    u_i = W_2 m_i + sc_i                                     (6)
    h_i <- gate(u_i, g_i)                                    (7)

    (x) couples each block of h with each block of Y (a path); one operator computes the sum over neighbors. The gates g
    are further scalars, computed in the same way as u. The first layer has no self-connection sc (eq. 5).

    Attributes:
        outputs: output blocks: those of `wanted` that the input can reach by symmetry.
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
        """Map features [N, input components, C] to [N, output components, C]."""
        R = self.radial_network(basis)
        m = R.message_sum(self.coupling.table, self.linear_1(h, self.scale), Y, topology)  # (4)
        u = self.linear_2(m)  # (6)
        if self.self_connection is not None:
            u = u + self.self_connection(h, embedding, groups)  # (5), (6)
        return self.gate(u, self._gates(m, h, embedding, groups))  # (7)

    def _gates(self, m: Tensor, h: Tensor, embedding: Tensor, groups: SpeciesGroups) -> Tensor:
        """Compute the gates g, one scalar for each block of degree > 0 and channel, [N, gated blocks, C]."""
        if self.gates is None:
            return m.new_empty(m.shape[0], 0, self.channels)
        g = self.gates(m)
        if self.gates_self_connection is not None:
            g = g + self.gates_self_connection(h, embedding, groups)
        return g.squeeze(1).unflatten(1, (-1, self.channels))


class NequIP(nn.Module):
    """The NequIP network: node energies from distances, directions and species.

    h_i = a_{z_i}                        (1)  embedding
    h_i <- convolution(h)_i, each layer  (2)  `Convolution`
    e_i = w . h_i / sqrt(C)              (3)  readout of the even scalars, the only block after the last layer
    """

    def __init__(self, config: NequIPConfig) -> None:
        super().__init__()
        self.config = config
        self.num_species = len(config.elements)
        self.embedding = nn.Parameter(torch.randn(self.num_species, config.channels))
        radial = RadialBasis(config.radial, config.cutoff, config.elements)
        # NequIP's directions point from the receiver to its neighbor.
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
        """Compute node energies [N], before scale and shift.

        Args:
            edge_vectors: vectors from sender to receiver [E, 3], A.
            species: species index of each atom [N] int64.
            topology: the edges.
        """
        Y, basis = self.edges(edge_vectors, species, topology)
        groups = SpeciesGroups.from_species(species, self.num_species)
        h = self.embedding[species].unsqueeze(1)  # (1)
        for convolution in self.convolutions:
            h = convolution(h, Y, basis, self.embedding, groups, topology)  # (2)
        return self.readout(h[:, 0]).squeeze(1)  # (3)

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the weights with weight decay: all linear maps of features, without embeddings and radial networks."""
        mixing = (BlockMixing, SelfConnection)
        return [p for module in self.modules() if isinstance(module, mixing) for p in module.parameters()]
