"""Modules of E3x: messages with all couplings, and dense layers with gated activations. Equation numbers refer to this
file.

Symbols: x, features of the atoms [N, components, C]; Y, spherical harmonics of the direction to the neighbor; R, radial
basis; F, filters; w, a weight for each path and channel; y, features with messages; D, dense layers; phi, the gated
activation; N, average number of neighbors; f, envelope; a, attention; q, k, v, queries, keys and values.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from potentials.equivariant import (
    AttentionWeights,
    BlockMixing,
    Dense,
    Filters,
    GatedActivation,
    Layout,
    PathSum,
    PositionEncoding,
    change_layout,
    message_table,
)
from potentials.equivariant.e3x.mapped_radial import MappedBasis
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.kernels import EdgeTopology, message_sum
from potentials.models.blocks import EdgeEmbedding
from potentials.models.e3x.config import E3xConfig
from potentials.models.e3x.layouts import SCALARS, layer_layouts
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap
from potentials.models.readouts import ReadoutNetwork


class LinearRadialMap(RadialMap):
    """Radial functions multiplied by the matrix of a module."""

    def __init__(self, linear: Filters | PositionEncoding) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Map radial functions [W, K] to [W, F]."""
        matrix = self.linear.matrix()

        def at(r: Tensor) -> ValuesAndSlopes:
            values, slopes = functions.at(r)
            return values @ matrix, slopes @ matrix

        return RadialFunctions(functions.values @ matrix, functions.slopes @ matrix, functions.distances, at)


class Messages(nn.Module):
    """Messages of the neighbors: `potentials.equivariant.MessagePass` with the derivatives of its filters.

    F_l(r) = sum_k R_k(r) W_lk / sqrt(K (2 l + 1))                       (4)  filters, linear in the radial basis
    m_i = 1 / sqrt(N) sum_paths w sum_j a_ij F_l(r_ij) Y_l(r_ij) (x) x_j  (5)

    Without attention a_ij is 1; with attention N is 1. The sum over P paths is divided by sqrt(P).

    Attributes:
        layout: output blocks: those of `wanted` that the input can reach by symmetry.
    """

    def __init__(self, config: E3xConfig, inputs: Layout, wanted: Layout, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.coupling = message_table(inputs, config.degree, wanted)
        self.layout = self.coupling.layout
        self.filters = LinearRadialMap(Filters(self.coupling, config.radial.size, config.channels))
        self.paths = PathSum(self.coupling, config.channels)

    def forward(
        self, x: Tensor, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology, weights: Tensor | None = None
    ) -> Tensor:
        """Map features [N, input components, C] and weights of the edges [E, C] to [N, output components, C]."""
        F, sent = self.filters(basis), x * self.factor  # (4)
        if weights is None:
            return self.paths(F.message_sum(self.coupling.table, sent, Y, topology))  # (5)
        of_edges = F.connected().index_select(0, topology.edge_pair).unflatten(1, (-1, x.shape[2]))
        m = message_sum(self.coupling.table, sent, Y, of_edges * weights.unsqueeze(1), topology.directed())
        return self.paths(m)  # (5)


class Attention(nn.Module):
    """Messages weighted by attention: `potentials.equivariant.SelfAttention` with derivatives of its radial functions.

    a_ij = f(r_ij) exp(q_i . (k_j p(r_ij)) / sqrt(size)) / (sum over all j of the same)    (6)
    m_i <- D m_i of the values v_j in place of x_j                                          (7)

    p is linear in the radial basis; q, k and v are dense layers of x.

    Attributes:
        layout: output blocks.
    """

    def __init__(self, config: E3xConfig, inputs: Layout, wanted: Layout, radial: RadialBasis) -> None:
        super().__init__()
        channels = config.channels
        self.envelope, self.cutoff = radial.envelope, radial.cutoff
        self.weights = AttentionWeights(inputs, channels, config.attention_heads)
        self.encoding = LinearRadialMap(PositionEncoding(inputs, config.radial.size, channels))
        # Queries and keys also use blocks that messages do not.
        sent = {source for source, *_ in message_table(inputs, config.degree, wanted).paths}
        self.value = Dense(inputs, channels, channels, Layout(irrep for irrep in inputs if irrep in sent), bias=False)
        self.messages = Messages(config, self.value.layout, wanted)
        self.layout = self.messages.layout
        self.output = Dense(self.layout, channels, channels)

    def forward(self, x: Tensor, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Map features [N, input components, C] to [N, output components, C]."""
        f, _ = self.envelope(basis.distances.squeeze(1) / self.cutoff)
        a = self.weights(x, self.encoding(basis).connected(), f, topology)  # (6)
        return self.output(self.messages(self.value(x), Y, basis, topology, a))  # (7)


class Layer(nn.Module):
    """One layer: messages, then dense layers with a gated activation.

    y_i = x_i + m_i                 (8)
    x_i <- x_i + D phi(D y_i)       (9)

    The last dense layer is initialized to zero.
    """

    def __init__(self, config: E3xConfig, inputs: Layout, outputs: Layout, radial: RadialBasis) -> None:
        super().__init__()
        channels = config.channels
        self.inputs, self.outputs = inputs, outputs
        self.messages: Attention | Messages
        if config.attention_heads:
            self.messages = Attention(config, inputs, outputs, radial)
        else:
            self.messages = Messages(config, inputs, outputs, float(config.average_neighbors) ** -0.5)
        self.first = Dense(outputs, channels, channels)
        self.activation = GatedActivation(outputs, config.activation)
        self.second = Dense(outputs, channels, channels, zero=True)

    def forward(self, x: Tensor, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Map features [N, input components, C] to [N, output components, C]."""
        m = change_layout(self.messages(x, Y, basis, topology), self.messages.layout, self.outputs)  # (5)
        x = change_layout(x, self.inputs, self.outputs)
        y = x + m  # (8)
        return x + self.second(self.activation(self.first(y)))  # (9)


class E3x(ReadoutNetwork):
    """The E3x network: node energies from distances, directions and species.

    x_i = embedding of z_i              (1)
    x_i <- layer(x)_i, each layer       (2)  `Layer`
    e_i = v . x_i / sqrt(C) + b_{z_i}   (3)  readout of the even scalars, the only block after the last layer
    """

    def __init__(self, config: E3xConfig) -> None:
        super().__init__()
        channels, elements = config.channels, len(config.elements)
        self.channels, self.degree = channels, config.degree
        self.embedding = nn.Parameter(torch.randn(elements, channels) * channels**-0.5)
        functions = config.radial
        basis = MappedBasis(functions.basis, functions.mapping, functions.size, config.cutoff, functions.trainable)
        radial = RadialBasis(functions, config.cutoff, config.elements, basis=basis)
        # E3x's directions point from the receiver to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        layouts = layer_layouts(config.layers, config.degree, config.pseudotensors, config.attention_heads > 0)
        self.layers = nn.ModuleList(
            Layer(config, inputs, outputs, radial) for inputs, outputs in itertools.pairwise([SCALARS, *layouts])
        )
        self.readout = Dense(SCALARS, channels, 1, bias=False, zero=True)
        self.element_bias = nn.Parameter(torch.zeros(elements))

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[tuple[Tensor, Tensor]]:
        """Compute the scalars x [N, 1, C] after the last layer, and b [N]; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        x = self.embedding[species].unsqueeze(1)  # (1)
        for layer in self.layers:
            x = layer(x, Y, basis, topology)  # (2)
        return [(x, self.element_bias[species])]

    def energies(self, features: Iterable[tuple[Tensor, Tensor]], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        ((x, bias),) = features
        return readouts(x)[:, 0, 0] + bias  # (3)

    def species_parameters(self) -> list[str]:
        """Return the names of the parameters whose first dimension is that of the species."""
        return ["embedding", "element_bias"]

    @property
    def first_readouts(self) -> nn.Module:
        """The readout of the first head."""
        return self.readout

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the matrices of the dense layers."""
        return [p for module in self.modules() if isinstance(module, BlockMixing) for p in module.parameters()]
