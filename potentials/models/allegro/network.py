"""Allegro's modules: strictly local features of pairs of atoms. The numbers of the equations are those of this file.

Symbols: x, scalars of an ordered pair ij [E, F], i the atom whose energy it is; V, tensors of the pair [E, components,
C]; Y, spherical harmonics of the direction from i to j; R, radial basis; f, envelope; Gamma, environments of the atoms;
T, products of V and Gamma; N, average number of neighbors. Networks (MLP) have no bias.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from potentials.equivariant import (
    BlockMixing,
    ChannelProduct,
    Irrep,
    Layout,
    ScaledActivation,
    message_table,
    product_coupling,
)
from potentials.kernels import EdgeTopology, MessageTable, message_sum
from potentials.models.allegro.config import AllegroConfig
from potentials.models.blocks import EdgeEmbedding, ScalarNetwork
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions

SCALAR = Irrep(0, 1)


class Environment(nn.Module):
    """The neighbors of an atom, weighed by the scalars of their pairs.

    Gamma_i = 1 / sqrt(N) sum_k w(x_ik) Y(r_ik)    (4)

    w is linear and gives one weight for each degree and channel.
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__()
        self.degrees, self.channels = config.degree + 1, config.channels
        self.scale = float(config.average_neighbors) ** -0.5
        natural = Layout.natural(config.degree)
        self.table: MessageTable = message_table(Layout([SCALAR]), config.degree, natural).table
        self.weights = ScalarNetwork([config.scalar_channels, self.degrees * config.channels], ScaledActivation())

    def forward(self, x: Tensor, Y: Tensor, directed: EdgeTopology) -> Tensor:
        """Scalars of pairs [E, F] to [N, (degree + 1)^2, C]."""
        w = self.weights(x).unflatten(1, (self.degrees, self.channels)) * self.scale
        ones = x.new_ones(directed.num_nodes, 1, self.channels)
        return message_sum(self.table, ones, Y, w, directed)  # (4)


class PairLayer(nn.Module):
    """One layer: the tensors are multiplied with the environment; the scalars of the products enter the pair's scalars.

    T_ij = V_ij (x) Gamma_i                                                            (5)
    x_ij <- (x_ij + s f(r_ij) MLP(x_ij || T_ij,00)) / sqrt(1 + s^2),  s = sigmoid(u)   (6)
    V_ij <- W T_ij                                                                     (7)

    (x) is taken channel by channel, for all paths; u is learned: the squares of the shares of old and new scalars add
    up to one. W mixes paths and channels of each block. The last layer keeps only the scalars of T.
    """

    def __init__(self, config: AllegroConfig, inputs: Layout, wanted: Layout, is_last: bool) -> None:
        super().__init__()
        channels = config.channels
        self.environment = Environment(config)
        coupling = product_coupling(inputs, Layout.natural(config.degree), wanted)
        self.outputs, self.paths = coupling.layout, coupling.paths
        self.product = ChannelProduct(coupling)
        self.mixing = None if is_last else BlockMixing(coupling.blocks, channels, channels)
        self.scalars = coupling.paths_to(SCALAR)
        sizes = [config.scalar_channels + self.scalars * channels, *config.latent_mlp, config.scalar_channels]
        self.latent = ScalarNetwork(sizes, ScaledActivation())
        self.update = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, V: Tensor, Y: Tensor, envelope: Tensor, directed: EdgeTopology
    ) -> tuple[Tensor, Tensor]:
        """Scalars [E, F] and tensors [E, input components, C] of the pairs to the same with the output components."""
        Gamma = self.environment(x, Y, directed)  # (4)
        T = self.product(V, Gamma[directed.receivers])  # (5)
        invariants = T[:, : self.scalars].flatten(1)  # T_00: scalars come first, [1, paths]
        change = self.latent(torch.cat([x, invariants], dim=1)) * envelope
        s = torch.sigmoid(self.update)
        x = (x + s * change) * torch.rsqrt(1 + s**2)  # (6)
        return x, V if self.mixing is None else self.mixing(T)  # (7)


class Allegro(nn.Module):
    """The network: distances, directions and species in, node energies out.

    x_ij = f(r_ij) MLP(1_{z_i} || 1_{z_j} || R(r_ij))   (1)  scalars of a pair; 1_z is one-hot, || joins vectors
    V_ij = w(x_ij) Y(r_ij)                              (2)  tensors, w linear: a weight for each degree and channel
    x_ij, V_ij <- layer(x, V)_ij, layer after layer          `PairLayer`
    e_i = 1 / sqrt(N) sum_j MLP(x_ij)                   (3)  sum over the pairs of an atom
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__()
        self.num_species = len(config.elements)
        self.channels, self.cutoff = config.channels, config.cutoff
        radial = RadialBasis(config.radial, config.cutoff, config.elements, enveloped=False)
        self.envelope = radial.envelope
        # Directions point from the atom whose energy it is to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        self.scale = float(config.average_neighbors) ** -0.5
        activation = ScaledActivation()
        sizes = [2 * self.num_species + radial.size, *config.latent_mlp, config.scalar_channels]
        self.two_body = ScalarNetwork(sizes, activation)
        layout = Layout.natural(config.degree)
        self.repeats = [irrep.dim for irrep in layout]
        self.tensors = ScalarNetwork([config.scalar_channels, len(layout) * config.channels], activation)
        self.layers = nn.ModuleList()
        for layer in range(config.layers):
            left = config.layers - 1 - layer
            # Scalars are made of proper tensors alone, so pseudotensors are of no use to the last product.
            wanted = Layout.full(config.degree) if config.parity and left > 1 else Layout.natural(config.degree)
            if left == 0:
                wanted = Layout([SCALAR])
            made = PairLayer(config, layout, wanted, is_last=left == 0)
            self.layers.append(made)
            layout = made.outputs
        self.readout = ScalarNetwork([config.scalar_channels, *config.readout_mlp, 1], activation)

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A (sender to receiver) and species [N] to node energies [N], before scale and shift."""
        Y, basis = self.edges(edge_vectors, species, topology)
        # Features of a pair are not those of its reverse.
        directed = topology.directed()
        f = self.envelope(basis.distances / self.cutoff)[0][topology.edge_pair]
        x = self.two_body(self._pairs(species, basis, topology)) * f  # (1)
        V = Y.unsqueeze(2) * self._weights(x)  # (2)
        for layer in self.layers:
            x, V = layer(x, V, Y, f, directed)
        energies = self.readout(x).squeeze(1) * self.scale  # (3)
        return energies.new_zeros(species.shape[0]).index_add(0, topology.receivers, energies)

    def _pairs(self, species: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """1_{z_i} || 1_{z_j} || R(r_ij), [E, 2 species + radial functions]."""
        ends = [nn.functional.one_hot(species[end], self.num_species) for end in (topology.receivers, topology.senders)]
        functions = basis.connected()[topology.edge_pair]
        return torch.cat([*(end.to(functions.dtype) for end in ends), functions], dim=1)

    def _weights(self, x: Tensor) -> Tensor:
        """w(x), the weight of each degree repeated for its components, [E, components, C]."""
        weights = self.tensors(x).unflatten(1, (len(self.repeats), self.channels))
        repeats = torch.tensor(self.repeats, device=x.device)
        return weights.repeat_interleave(repeats, dim=1)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The weights of all networks and mixings."""
        modules = [module for module in self.modules() if isinstance(module, ScalarNetwork | BlockMixing)]
        return [parameter for module in modules for parameter in module.parameters(recurse=False)]
