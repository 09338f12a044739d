"""Modules of MACE. Equations (8) to (11) have the numbers of the paper (arXiv:2206.07697).

Symbols: h, features of the atoms [N, components, C]; z, species; Y, spherical harmonics of the edges; R, radial
functions of the pairs, one for each path and channel; A, the atomic basis, messages summed over the neighbors; B,
symmetric products of A; m, the message, a weighted sum of B. W are linear maps of the channels of each block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from potentials.equivariant import (
    BlockMixing,
    Layout,
    ScaledActivation,
    SpeciesGroups,
    SpeciesMixing,
    message_table,
    symmetric_basis,
)
from potentials.kernels import EdgeTopology, many_body
from potentials.models.blocks import EdgeEmbedding, RadialNetwork, ScalarNetwork
from potentials.models.mace.config import MACEConfig
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions
from potentials.models.readouts import ReadoutNetwork


class Features(NamedTuple):
    """Features [rows, components, C] of the atoms, or of the species as long as they depend only on the species."""

    values: Tensor
    groups: SpeciesGroups
    """Species groups of the rows."""
    species: Tensor | None = None
    """Row of each atom; None if every atom has its own row."""

    @classmethod
    def of_elements(cls, embedding: Tensor, species: Tensor) -> Features:
        """Create the initial features, which only depend on the element: one row per element [S, C]."""
        rows = SpeciesGroups.one_each(embedding.shape[0], species.device)
        return cls(embedding.unsqueeze(1), rows, species)

    def of_atoms(self, rows: Tensor) -> Tensor:
        """Expand rows computed from the values to one row per atom."""
        return rows if self.species is None else rows.index_select(0, self.species)


class Interaction(nn.Module):
    """The messages of one layer, summed and mixed into the atomic basis A [N, (edge_degree + 1)^2, C].

    A_i = 1 / N W sum_j R(r_ij) (Y(r_ij) (x) W h_j)    (8), and (9) in the first layer, where h_j depends on the element

    (x) couples each block of Y with each block of h (a path); one operator computes the sum over neighbors. The
    residual is W_{z_i} h_i; a non-residual interaction has none and applies W_{z_i} to A instead.

    N is the average number of neighbors; with `normalization: density` it is replaced by 1 + sum_j tanh(d(r_ij)^2) with
    a learned linear map d of the radial basis.
    """

    def __init__(self, config: MACEConfig, inputs: Layout, skip_outputs: Layout, residual: bool) -> None:
        super().__init__()
        channels, num_species = config.channels, len(config.elements)
        targets = Layout.natural(config.edge_degree)
        self.coupling = message_table(inputs, config.edge_degree, targets)
        self.residual = residual
        self.average_neighbors = float(config.average_neighbors)
        self.linear_up = BlockMixing([(irrep, 1) for irrep in inputs], channels, channels)
        num_weights = len(self.coupling.paths) * channels
        self.radial_network = RadialNetwork([config.radial.size, *config.radial_mlp, num_weights])
        self.linear = BlockMixing(self.coupling.blocks, channels, channels)
        if residual:
            self.skip = SpeciesMixing(inputs, skip_outputs, channels, channels, num_species)
        else:
            self.skip = SpeciesMixing(targets, targets, channels, channels, num_species)
        self.density = RadialNetwork([config.radial.size, 1]) if config.normalization == "density" else None

    def forward(
        self, h: Features, Y: Tensor, basis: RadialFunctions, groups: SpeciesGroups, topology: EdgeTopology
    ) -> tuple[Tensor, Tensor | None]:
        """Map features to the atomic basis A and the residual to add after the product (None without residual)."""
        residual = h.of_atoms(self.skip(h.values, h.groups)) if self.residual else None
        R = self.radial_network(basis)
        A = R.message_sum(self.coupling.table, h.of_atoms(self.linear_up(h.values)), Y, topology)  # (8), (9): the sum
        if self.density is None:
            A = self.linear(A, 1 / self.average_neighbors)  # (8), (9): W / N
        else:
            A = self.linear(A) / self._densities(self.density(basis), topology)
        return (A, residual) if self.residual else (self.skip(A, groups), None)

    def _densities(self, d: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Compute 1 + sum_j tanh(d(r_ij)^2), [N, 1, 1]."""
        pair_density = torch.tanh(d.connected() ** 2)
        edge_density = pair_density.index_select(0, topology.edge_pair)
        density = edge_density.new_zeros(topology.num_nodes, 1).index_add(0, topology.receivers, edge_density)
        return (density + 1).unsqueeze(2)


class Product(nn.Module):
    """Symmetric products of A up to the correlation order, weighted by species, then mixed.

    B_i,k = P_k(A_i)                (10)
    m_i = sum_k W_{z_i,k} B_i,k     (11)

    P_k are the channel-wise symmetric polynomials up to the correlation order that transform as the features, a basis
    without redundancy of the space of the paper's generalized coupling coefficients. One operator computes both
    equations: P_k is `path_matrix` times monomials of A, and the matrix is multiplied by the weights first, once per
    step instead of once per atom. The mixing that follows is the first term of the update of the features.
    """

    path_matrix: Tensor

    def __init__(self, config: MACEConfig, outputs: Layout, correlation: int) -> None:
        super().__init__()
        basis = symmetric_basis(Layout.natural(config.edge_degree), outputs, correlation)
        self.table, self.outputs, self.paths = basis.table, outputs, basis.paths
        matrix = torch.tensor(basis.matrix, dtype=torch.get_default_dtype())
        self.register_buffer("path_matrix", matrix, persistent=False)
        weights = torch.randn(len(config.elements), basis.matrix.shape[1], config.channels)
        # Initialization of MACE: 1 / number of paths for each output and order, so that all orders contribute equally.
        spread = [1 / count for counts in basis.paths for count in counts for _ in range(count)]
        self.weights = nn.Parameter(weights * torch.tensor(spread).unsqueeze(1))
        self.linear = BlockMixing([(irrep, 1) for irrep in outputs], config.channels, config.channels)

    def forward(self, A: Tensor, species: Tensor, groups: SpeciesGroups) -> Tensor:
        """Map A [N, (edge_degree + 1)^2, C] to [N, output components, C]."""
        coefficients = self.path_matrix @ self.weights
        m = many_body(self.table, A, coefficients, species, groups.order)  # (10), (11)
        return self.linear(m)


class Readout(nn.Module):
    """Readout of node energies from scalars: linear, or with one hidden layer."""

    def __init__(self, channels: int, hidden: int | None) -> None:
        super().__init__()
        self.network = ScalarNetwork(
            [channels, 1] if hidden is None else [channels, hidden, 1], ScaledActivation("silu")
        )

    def forward(self, h: Tensor) -> Tensor:
        """Map features [N, components, C] to node energies [N]."""
        return self.network(h[:, 0]).squeeze(1)


class MACE(ReadoutNetwork):
    """The MACE network: node energies from distances, directions and species.

    h_i = W_{z_i} / sqrt(Z)                        features of the elements, Z the number of elements
    A_i = interaction(h, Y, R)_i                   (8), (9)  `Interaction`
    m_i = sum_k W_{z_i,k} P_k(A_i)                 (10), (11)  `Product`
    h_i <- W m_i + W_{z_i} h_i                     the update; the second term is the residual
    e_i = sum of readout(h_i) of all layers        linear; with one hidden layer after the last

    The last layer outputs scalars only.
    """

    def __init__(self, config: MACEConfig) -> None:
        super().__init__()
        self.config = config
        features = Layout.natural(config.feature_degree)
        scalars = Layout.natural(0)
        self.num_species = len(config.elements)
        self.embedding = nn.Parameter(torch.randn(self.num_species, config.channels))
        self.edges = EdgeEmbedding(RadialBasis(config.radial, config.cutoff, config.elements), config.edge_degree)
        self.interactions, self.products, self.readouts = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for layer in range(config.layers):
            last = layer == config.layers - 1
            inputs = features if layer else scalars
            outputs = scalars if last else features
            residual = (config.interaction if layer else config.first_interaction) == "residual"
            self.interactions.append(Interaction(config, inputs, outputs, residual))
            self.products.append(Product(config, outputs, config.correlation_of(layer)))
            self.readouts.append(Readout(config.channels, config.readout_channels if last and layer else None))

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Iterator[Tensor]:
        """Yield h [N, components, C] after each layer; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        groups = SpeciesGroups.from_species(species, self.num_species)
        h = Features.of_elements(self.embedding * self.num_species**-0.5, species)
        for interaction, product in zip(self.interactions, self.products, strict=True):
            A, residual = interaction(h, Y, basis, groups, topology)  # (8), (9)
            values = product(A, species, groups)  # (10), (11), and W m of the update
            if residual is not None:
                values = values + residual  # the update
            h = Features(values, groups)
            yield values

    def energies(self, features: Iterable[Tensor], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        of_layers = zip(features, cast(nn.ModuleList, readouts), strict=True)
        return reduce(torch.add, (readout(h) for h, readout in of_layers))

    def species_parameters(self) -> list[str]:
        """Return the names of the parameters whose first dimension is that of the species."""
        layers = range(len(self.interactions))
        names = [f"interactions.{layer}.skip.weight" for layer in layers]
        return ["embedding", *names, *(f"products.{layer}.weights" for layer in layers)]

    def take_species(self, other: ReadoutNetwork, species: Sequence[int]) -> None:
        """Take the weights of a network of other elements, whose embedding and skip connections have 1 / sqrt(Z)."""
        super().take_species(other, species)
        factor = (self.num_species / cast(MACE, other).num_species) ** 0.5
        scaled = [self.embedding, *(cast(Interaction, layer).skip.weight for layer in self.interactions)]
        with torch.no_grad():
            for parameter in scaled:
                parameter.mul_(factor)

    @property
    def first_readouts(self) -> nn.Module:
        """The readouts of the first head."""
        return self.readouts

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the weights with weight decay, as in MACE: mixing after messages, skip connections, products."""
        decayed = [module for block in self.interactions for module in (block.linear, block.skip)]
        return [parameter for module in (*decayed, *self.products) for parameter in module.parameters()]
