"""Allegro: strictly local features of pairs of atoms (Musaelian et al., Nature Communications 14, 579, 2023)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from potentials.config.base import Depth, HiddenLayers, Width
from potentials.config.families import FamilyConfig, SteepRadialConfig, register_family
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
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    PairProducts,
    Recording,
    harmonic_paths,
)
from potentials.models.blocks import EdgeEmbedding, ScalarNetwork
from potentials.models.radial import RadialBasis

SCALAR = Irrep(0, 1)


class AllegroConfig(FamilyConfig):
    """Allegro: features of ordered pairs of neighbors, which see the neighbors of one atom and nothing beyond."""

    name: Literal["allegro"]
    channels: Width = 32
    """Channels of the tensor features of a pair."""
    scalar_channels: Width = 64
    """Invariant features of a pair."""
    layers: Depth = 2
    """Tensor products: each raises the body order by one, and none enlarges what an atom sees."""
    degree: int = Field(default=2, ge=0, le=4)
    """Highest degree of tensor features and spherical harmonics (l_max)."""
    parity: bool = True
    """Whether tensor features hold pseudotensors (1e, 0o, ...) besides proper tensors, where those can reach an energy:
    with three layers or more."""
    radial: SteepRadialConfig = SteepRadialConfig()
    latent_mlp: HiddenLayers = Field(default=[64, 64])
    """Hidden layers of the networks of scalars: of two bodies, and of each layer."""
    readout_mlp: HiddenLayers = Field(default=[32])
    """Hidden layers of the network that gives a pair's energy."""


class Environment(nn.Module):
    """sum_k w_ik Y(r_ik) / sqrt(average neighbors): the neighbors of an atom, weighed by their scalars."""

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__()
        self.degrees, self.channels = config.degree + 1, config.channels
        self.scale = float(config.average_neighbors) ** -0.5
        natural = Layout.natural(config.degree)
        self.table: MessageTable = message_table(Layout([SCALAR]), config.degree, natural).table
        self.weights = ScalarNetwork([config.scalar_channels, self.degrees * config.channels], ScaledActivation())

    def forward(self, x: Tensor, Y: Tensor, directed: EdgeTopology) -> Tensor:
        """Scalars of pairs [E, F] to [N, (degree + 1)^2, C]."""
        weights = self.weights(x).unflatten(1, (self.degrees, self.channels)) * self.scale
        ones = x.new_ones(directed.num_nodes, 1, self.channels)
        return message_sum(self.table, ones, Y, weights, directed)

    def messages(self, name: str, edges: EdgeEmbedding) -> MessageRound:
        """Where the neighbors' shares can be seen."""
        coupling = message_table(Layout([SCALAR]), self.degrees - 1, Layout.natural(self.degrees - 1))

        def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
            found: Tensor = seen.result(self.weights).unflatten(1, (self.degrees, self.channels))
            return found * self.scale

        def ones(seen: Recording) -> Tensor:
            result: Tensor = seen.result(self)
            return result.new_ones(result.shape[0], 1, self.channels)

        return MessageRound(
            name,
            coupling.table,
            coupling.blocks,
            harmonic_paths(coupling),
            sent=ones,
            harmonics=lambda seen: seen.result(edges)[0],
            weights=weights,
            summed=lambda seen: seen.result(self),
        )


class PairLayer(nn.Module):
    """One layer: tensor product with the environment, its scalars into the latent network, its channels mixed."""

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
        environment = self.environment(x, Y, directed)
        product = self.product(V, environment[directed.receivers])
        # Scalars come first, [1, paths].
        invariants = product[:, : self.scalars].flatten(1)
        change = self.latent(torch.cat([x, invariants], dim=1)) * envelope
        # A learned share of the new, the squares of both shares adding up to one.
        share = torch.sigmoid(self.update)
        x = (x + share * change) * torch.rsqrt(1 + share**2)
        return x, V if self.mixing is None else self.mixing(product)


class Allegro(nn.Module):
    """The network. Distances, directions and species in; node energies out, sums over the pairs of each atom."""

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
        envelope = self.envelope(basis.distances / self.cutoff)[0][topology.edge_pair]
        ends = [nn.functional.one_hot(species[end], self.num_species) for end in (topology.receivers, topology.senders)]
        functions = basis.connected()[topology.edge_pair]
        x = self.two_body(torch.cat([*(end.to(functions.dtype) for end in ends), functions], dim=1)) * envelope
        weights = self.tensors(x).unflatten(1, (len(self.repeats), self.channels))
        repeats = torch.tensor(self.repeats, device=species.device)
        V = Y.unsqueeze(2) * weights.repeat_interleave(repeats, dim=1)
        for layer in self.layers:
            x, V = layer(x, V, Y, envelope, directed)
        energies = self.readout(x).squeeze(1) * self.scale
        return energies.new_zeros(species.shape[0]).index_add(0, topology.receivers, energies)

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        degree = len(self.repeats) - 1
        features, rounds, products = [], [], []
        for number, layer in enumerate(cast("list[PairLayer]", self.layers), start=1):
            environment = layer.environment
            rounds.append(environment.messages(f"layer {number}", self.edges))
            name = f"environment, weighed by layer {number}"
            features.append(NodeFeatures(name, Layout.natural(degree), _result(environment)))
            products.append(PairProducts(f"layer {number}", layer.paths, "pair tensors V", "environment"))
        remark = (
            "Allegro keeps its features on pairs of atoms and multiplies them with the environment of one of the "
            "two; what is shown on the atoms are these environments."
        )
        radial = self.edges.radial
        return Anatomy(degree, features, rounds, radial, self.channels, pair_products=products, remark=remark)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The weights of all networks and mixings."""
        modules = [module for module in self.modules() if isinstance(module, ScalarNetwork | BlockMixing)]
        return [parameter for module in modules for parameter in module.parameters(recurse=False)]


def _result(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module)


register_family("allegro", AllegroConfig, Allegro)
