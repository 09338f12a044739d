"""Modules of Allegro: strictly local features of pairs of atoms. Equation numbers refer to this file.

Symbols: x, scalars of an ordered pair ij [E, F], which contributes to the energy of atom i; V, tensors of the pair
[E, components, C]; Y, spherical harmonics of the direction from i to j; R, radial basis; f, envelope; Gamma,
environments of the atoms; T, products of V and Gamma; N, average number of neighbors. Networks (MLP) have no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from potentials.equivariant import BlockMixing, ChannelProduct, Layout, ScaledActivation, product_coupling
from potentials.kernels import EdgeTopology
from potentials.models.allegro.config import AllegroConfig
from potentials.models.allegro.pairs import SCALAR, NeighborSum, PairFeatures, PairNetwork
from potentials.models.blocks import ScalarNetwork
from potentials.models.radial_functions import RadialFunctions
from potentials.models.readouts import ReadoutNetwork


class Environment(NeighborSum):
    """Environment of an atom: sum over its neighbors, weighted by functions of the pair scalars.

    Gamma_i = 1 / sqrt(N) sum_k w(x_ik) Y(r_ik)    (4)

    w is linear and gives one weight for each degree and channel.
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__(config)
        self.weights = ScalarNetwork([config.scalar_channels, self.degrees * config.channels], ScaledActivation())

    def forward(self, x: Tensor, Y: Tensor, directed: EdgeTopology) -> Tensor:
        """Map scalars of pairs [E, F] to environments [N, (degree + 1)^2, C]."""
        return super().forward(self.weights(x), Y, directed)  # (4)


class PairLayer(nn.Module):
    """One layer: a product of the tensors with the environment, and an update of the scalars by those of the product.

    T_ij = V_ij (x) Gamma_i                                                            (5)
    x_ij <- (x_ij + s f(r_ij) MLP(x_ij || T_ij,00)) / sqrt(1 + s^2),  s = sigmoid(u)   (6)
    V_ij <- W T_ij                                                                     (7)

    (x) is the channel-wise product with all paths; u is learned, and the squares of the weights of old and new scalars
    add up to one. W mixes paths and channels of each block. The last layer computes only the scalars of T.
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
        """Map scalars [E, F] and tensors [E, input components, C] of the pairs to scalars and output tensors."""
        Gamma = self.environment(x, Y, directed)  # (4)
        T = self.product(V, Gamma[directed.receivers])  # (5)
        invariants = T[:, : self.scalars].flatten(1)  # T_00: scalars come first, [1, paths]
        change = self.latent(torch.cat([x, invariants], dim=1)) * envelope
        s = torch.sigmoid(self.update)
        x = (x + s * change) * torch.rsqrt(1 + s**2)  # (6)
        return x, V if self.mixing is None else self.mixing(T)  # (7)


class Allegro(PairNetwork):
    """The Allegro network: node energies from distances, directions and species.

    x_ij = f(r_ij) MLP(1_{z_i} || 1_{z_j} || R(r_ij))   (1)  scalars of a pair; 1_z is one-hot, || is concatenation
    V_ij = w(x_ij) Y(r_ij)                              (2)  tensors, w linear: a weight for each degree and channel
    x_ij, V_ij <- layer(x, V)_ij, layer after layer          `PairLayer`
    e_i = 1 / sqrt(N) sum_j MLP(x_ij)                   (3)  sum over the pairs of an atom
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__(config, enveloped=False, readout_inputs=config.scalar_channels)
        hidden = config.latent_mlp if config.embedding_mlp is None else config.embedding_mlp
        sizes = [2 * self.num_species + self.radial_size, *hidden, config.scalar_channels]
        self.two_body = ScalarNetwork(sizes, self.activation)
        layout = Layout.natural(config.degree)
        self.tensors = ScalarNetwork([config.scalar_channels, len(layout) * config.channels], self.activation)
        self.layers = nn.ModuleList()
        for layer in range(config.layers):
            left = config.layers - 1 - layer
            # Only proper tensors give scalars, so the last product needs no pseudotensors.
            wanted = Layout.full(config.degree) if config.parity and left > 1 else Layout.natural(config.degree)
            if left == 0:
                wanted = Layout([SCALAR])
            made = PairLayer(config, layout, wanted, is_last=left == 0)
            self.layers.append(made)
            layout = made.outputs
        self.readout = ScalarNetwork(self.readout_sizes, self.activation)

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[PairFeatures]:
        """Compute the scalars x of all pairs; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        # Features differ between a pair and its reverse.
        directed = topology.directed()
        f = self.envelope(basis.distances / self.cutoff)[0][topology.edge_pair]
        x = self.two_body(self._pairs(species, basis, topology)) * f  # (1)
        V = Y.unsqueeze(2) * self.repeated(self.tensors(x))  # (2)
        for layer in self.layers:
            x, V = layer(x, V, Y, f, directed)
        return [PairFeatures(x, topology.receivers, len(species))]

    def _pairs(self, species: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Concatenate 1_{z_i} || 1_{z_j} || R(r_ij), [E, 2 species + radial functions]."""
        ends = [nn.functional.one_hot(species[end], self.num_species) for end in (topology.receivers, topology.senders)]
        functions = basis.connected()[topology.edge_pair]
        return torch.cat([*(end.to(functions.dtype) for end in ends), functions], dim=1)

    def take_species(self, other: ReadoutNetwork, species: Sequence[int]) -> None:
        """Take the weights of a network of other elements: rows of the first matrix of the two-body network."""
        theirs = cast(Allegro, other)
        state = other.state_dict()
        rows = torch.tensor(species, device=theirs.two_body.weight.device)
        first, *rest = (matrix.detach() for matrix in theirs.two_body.weights)
        ends = [first[rows], first[rows + theirs.num_species], first[2 * theirs.num_species :]]
        # Each matrix is divided by the root of its number of rows.
        kept = torch.cat(ends) * (self.two_body.sizes[0] / theirs.two_body.sizes[0]) ** 0.5
        state["two_body.weight"] = torch.cat([matrix.flatten() for matrix in (kept, *rest)])
        self.load_state_dict(state)
