"""MACE: higher-order equivariant message passing (Batatia et al., NeurIPS 2022, arXiv:2206.07697)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from potentials.config.base import Depth, HiddenLayers, KeyedError, PositiveInteger, Width
from potentials.config.families import FamilyConfig, RadialConfig, register_family
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
from potentials.models.anatomy import (
    Anatomy,
    ManyBodyProducts,
    MessageRound,
    NodeFeatures,
    Recording,
    harmonic_paths,
    of_each_edge,
)
from potentials.models.blocks import EdgeEmbedding, RadialNetwork, ScalarNetwork
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions

MAX_CORRELATION = 3


class MACEConfig(FamilyConfig):
    """MACE: messages of h (x) Y(r), products of up to `correlation` of them on each atom, readouts after each layer."""

    name: Literal["mace"]
    channels: Width = 64
    """Channels of every degree."""
    layers: Depth = 2
    """Message-passing layers; each adds one cutoff to what an atom sees."""
    feature_degree: int = Field(default=1, ge=0, le=4)
    """Highest degree of the features passed between layers (max_L)."""
    edge_degree: int = Field(default=3, ge=0, le=4)
    """Highest degree of the spherical harmonics and of the products' input (max_ell)."""
    correlation: PositiveInteger | list[PositiveInteger] = MAX_CORRELATION
    """Highest power of the atomic basis, 1 to 3, one number or one per layer; body order is correlation + 1."""
    radial: RadialConfig = RadialConfig()
    radial_mlp: HiddenLayers = Field(default=[64, 64, 64])
    """Hidden layers of the radial networks."""
    readout_channels: Width = 16
    """Hidden channels of the last readout."""
    first_interaction: Literal["residual", "non-residual"] = "residual"
    """Residual adds a species-dependent map of the layer's input; the other form applies it to the message instead."""
    interaction: Literal["residual", "non-residual"] = "residual"
    """Form of the layers after the first."""
    normalization: Literal["average-neighbors", "density"] = "average-neighbors"
    """Divide messages by the mean number of neighbors, or by a learned local density."""

    @model_validator(mode="after")
    def _consistent(self) -> MACEConfig:
        highest = max(self.correlation) if isinstance(self.correlation, list) else self.correlation
        if highest > MAX_CORRELATION:
            raise KeyedError(
                {
                    "model.correlation": f"expected at most {MAX_CORRELATION}, got {highest}: products of four factors "
                    f"have too many terms; use {MAX_CORRELATION}, or the family ace, which goes up to 4"
                }
            )
        if isinstance(self.correlation, list) and len(self.correlation) != self.layers:
            raise ValueError(
                f"correlation: expected one number or {self.layers} (one per layer), got {len(self.correlation)}"
            )
        if self.feature_degree > self.edge_degree:
            raise ValueError(
                f"feature_degree: {self.feature_degree} exceeds edge_degree ({self.edge_degree}); messages hold "
                "harmonics up "
                "to edge_degree only, so features of a higher degree would come from products alone: raise edge_degree"
            )
        return self

    def correlation_of(self, layer: int) -> int:
        """Correlation order of one layer."""
        return self.correlation[layer] if isinstance(self.correlation, list) else self.correlation


class Features(NamedTuple):
    """Features [rows, components, C] of the atoms, or of the species while they depend on nothing else."""

    values: Tensor
    groups: SpeciesGroups
    """Of the rows."""
    species: Tensor | None = None
    """Row of each atom; None where every atom has a row of its own."""

    def of_atoms(self, rows: Tensor) -> Tensor:
        """A row for each atom, of what was made of the values."""
        return rows if self.species is None else rows.index_select(0, self.species)


class Interaction(nn.Module):
    """One layer's messages, summed and mixed into the atomic basis A [N, (edge_degree + 1)^2, C] (eqs. 8 and 9)."""

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
        self.density = RadialNetwork([config.radial.size, 1]) if _by_density(config) else None

    def forward(
        self, h: Features, Y: Tensor, basis: RadialFunctions, groups: SpeciesGroups, topology: EdgeTopology
    ) -> tuple[Tensor, Tensor | None]:
        """Features to the atomic basis A, and the residual to add after the product (None without one)."""
        residual = h.of_atoms(self.skip(h.values, h.groups)) if self.residual else None
        sent = h.of_atoms(self.linear_up(h.values))
        message = self.radial_network(basis).message_sum(self.coupling.table, sent, Y, topology)
        if self.density is None:
            message = self.linear(message, 1 / self.average_neighbors)
        else:
            message = self.linear(message)
            pair_density = torch.tanh(self.density(basis).connected() ** 2)
            edge_density = pair_density.index_select(0, topology.edge_pair)
            density = message.new_zeros(topology.num_nodes, 1).index_add(0, topology.receivers, edge_density)
            message = message / (density + 1).unsqueeze(2)
        return (message, residual) if self.residual else (self.skip(message, groups), None)

    def messages(self, name: str, edges: EdgeEmbedding, channels: int) -> MessageRound:
        """Where the messages can be seen."""
        return MessageRound(
            name,
            self.coupling.table,
            self.coupling.blocks,
            harmonic_paths(self.coupling),
            sent=lambda seen: seen.argument(self).of_atoms(seen.result(self.linear_up)),
            harmonics=lambda seen: seen.result(edges)[0],
            weights=lambda seen, topology: of_each_edge(seen.result(self.radial_network), channels, topology),
            summed=lambda seen: seen.argument(self.linear),
            radial=self.radial_network,
        )


class Product(nn.Module):
    """Symmetric products of A up to the correlation order with species-dependent weights, then mixed (eqs. 10, 11)."""

    path_matrix: Tensor

    def __init__(self, config: MACEConfig, outputs: Layout, correlation: int) -> None:
        super().__init__()
        basis = symmetric_basis(Layout.natural(config.edge_degree), outputs, correlation)
        self.table, self.outputs, self.paths = basis.table, outputs, basis.paths
        matrix = torch.tensor(basis.matrix, dtype=torch.get_default_dtype())
        self.register_buffer("path_matrix", matrix, persistent=False)
        weights = torch.randn(len(config.elements), basis.matrix.shape[1], config.channels)
        # As MACE starts: 1 / number of paths, for each output and order, so that all orders contribute alike.
        spread = [1 / count for counts in basis.paths for count in counts for _ in range(count)]
        self.weights = nn.Parameter(weights * torch.tensor(spread).unsqueeze(1))
        self.linear = BlockMixing([(irrep, 1) for irrep in outputs], config.channels, config.channels)

    def forward(self, A: Tensor, species: Tensor, groups: SpeciesGroups) -> Tensor:
        """[N, (edge_degree + 1)^2, C] to [N, output components, C]."""
        coefficients = self.path_matrix @ self.weights
        return self.linear(many_body(self.table, A, coefficients, species, groups.order))

    def counted(self, name: str) -> ManyBodyProducts:
        """How many products there are."""
        starts = [block.start for block in self.outputs.slices()]
        block_of_term = np.searchsorted(starts, self.table.output_of_term, side="right") - 1
        terms = np.bincount(block_of_term, minlength=len(starts)).tolist()
        return ManyBodyProducts(
            name,
            dict(zip(self.outputs, self.paths, strict=True)),
            dict(zip(self.outputs, terms, strict=True)),
            self.weights.numel(),
        )


class Readout(nn.Module):
    """Scalars to node energies: linear, or with one hidden layer."""

    def __init__(self, channels: int, hidden: int | None) -> None:
        super().__init__()
        self.network = ScalarNetwork(
            [channels, 1] if hidden is None else [channels, hidden, 1], ScaledActivation("silu")
        )

    def forward(self, h: Tensor) -> Tensor:
        """[N, components, C] to [N]."""
        return self.network(h[:, 0]).squeeze(1)


class MACE(nn.Module):
    """The network. Distances, directions and species in; node energies out."""

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

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A (sender to receiver) and species [N] to node energies [N], before scale and shift."""
        Y, basis = self.edges(edge_vectors, species, topology)
        groups = SpeciesGroups.from_species(species, self.num_species)
        embedding = (self.embedding * self.num_species**-0.5).unsqueeze(1)
        features = Features(embedding, SpeciesGroups.one_each(self.num_species, species.device), species)
        energies = edge_vectors.new_zeros(species.shape[0])
        for interaction, product, readout in zip(self.interactions, self.products, self.readouts, strict=True):
            A, residual = interaction(features, Y, basis, groups, topology)
            h = product(A, species, groups)
            if residual is not None:
                h = h + residual
            features = Features(h, groups)
            energies = energies + readout(h)
        return energies

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        channels = self.config.channels
        features = [
            NodeFeatures("h, elements", Layout.natural(0), lambda seen: _atoms_of(seen.argument(self.interactions[0])))
        ]
        rounds = []
        atomic_basis = Layout.natural(self.config.edge_degree)
        interactions, products = cast("list[Interaction]", self.interactions), cast("list[Product]", self.products)
        parts = zip(interactions, products, self.readouts, strict=True)
        for number, (interaction, product, readout) in enumerate(parts, start=1):
            rounds.append(interaction.messages(f"layer {number}", self.edges, channels))
            features += [
                NodeFeatures(f"A, neighbors seen by layer {number}", atomic_basis, _first_argument(product)),
                NodeFeatures(f"h, features after layer {number}", product.outputs, _first_argument(readout)),
            ]
        counted = [product.counted(f"layer {number}") for number, product in enumerate(products, start=1)]
        radial = self.edges.radial
        return Anatomy(self.config.edge_degree, features, rounds, radial, channels, many_body=counted)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The weights that weight decay acts on: mixing after messages, skip connections, products (as MACE trains)."""
        decayed = [module for block in self.interactions for module in (block.linear, block.skip)]
        return [parameter for module in (*decayed, *self.products) for parameter in module.parameters()]


def _atoms_of(features: Features) -> Tensor:
    return features.of_atoms(features.values)


def _first_argument(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.argument(module)


def _by_density(config: MACEConfig) -> bool:
    return config.normalization == "density"


register_family("mace", MACEConfig, MACE)
