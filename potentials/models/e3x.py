"""E3x: features of proper tensors and pseudotensors, mixed by dense layers, coupled by tensor products (Unke and
Maennel, arXiv:2401.07595); the message-passing potential of the package's documentation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from potentials.config.base import Depth, Width
from potentials.config.families import FamilyConfig, RadialConfig, register_family
from potentials.equivariant import (
    AttentionWeights,
    BlockMixing,
    Dense,
    Filters,
    GatedActivation,
    Irrep,
    Layout,
    PathSum,
    PositionEncoding,
    change_layout,
    message_table,
)
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.equivariant.mapped_radial import FunctionName, MappedBasis, MappingName
from potentials.kernels import EdgeTopology, message_sum
from potentials.models.anatomy import Anatomy, MessageRound, NodeFeatures, Recording, harmonic_paths, of_each_edge
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap

SCALARS = Layout([Irrep(0, 1)])


def layer_layouts(layers: int, degree: int, pseudotensors: bool, has_attention: bool) -> list[Layout]:
    """Blocks that the features have after each layer: those that messages from scalars reach by then and from which a
    scalar of the last layer can still be reached, by messages or, with attention, by their scalar products."""
    possible = Layout.full(degree) if pseudotensors else Layout.natural(degree)
    harmonics = Layout.natural(degree)

    def sent(irrep: Irrep) -> set[Irrep]:
        return {irrep, *(product for harmonic in harmonics for product in irrep.products(harmonic))}

    useful = [set(SCALARS)]
    for _ in range(layers - 1):
        useful.append({irrep for irrep in possible if has_attention or sent(irrep) & useful[-1]})
    made, reached = [], set(SCALARS)
    for wanted in reversed(useful):
        reached = {product for irrep in reached for product in sent(irrep)} & wanted
        made.append(Layout(irrep for irrep in possible if irrep in reached))
    return made


class E3xRadialConfig(RadialConfig):
    """Functions of the distance mapped to (0, 1)."""

    basis: FunctionName = "bernstein"  # type: ignore[assignment]
    """Kind of the functions; `sinc` takes no mapping. `bernstein` is that of the published examples; `chebyshev` spans
    the same and trains several times faster, at the price of a digit of single precision."""
    mapping: MappingName = "reciprocal"
    """m(r), r in A: 1 / (1 + r), (1 - e^-r) / r (damped), 1 / (r + e^-r) (cuspless), e^(-gamma r), e^(-gamma (r + e^-r
    - 1)) (cuspless); or none, for functions of r / cutoff."""
    size: Width = 16
    """Number of radial functions."""
    trainable: bool = False
    """Whether gamma of an exponential mapping is learned."""
    envelope: Literal["polynomial", "cosine", "smooth"] = "smooth"
    """What ends the functions at the cutoff: with two continuous derivatives, with one, or with all."""

    @model_validator(mode="after")
    def _something_to_train(self) -> E3xRadialConfig:
        if self.basis == "sinc" and self.mapping != "none":
            raise ValueError(
                f"mapping: the sinc functions are of the distance itself, got {self.mapping!r}; "
                "use mapping: none, or another basis"
            )
        if self.trainable and not self.mapping.startswith("exponential"):
            raise ValueError(
                f"trainable: with mapping {self.mapping!r} there is nothing to learn; use exponential or "
                "exponential cuspless, or false"
            )
        return self


class E3xConfig(FamilyConfig):
    """E3x: in each layer messages of all couplings up to a degree, then dense layers with gated activations.

    Messages are divided by the root of `average_neighbors`; with 1 they are sums, as published; with attention they are
    means. `degree: 0` is an ordinary network of scalars with continuous filters.
    """

    name: Literal["e3x"]
    channels: Width = 32
    """Channels of every degree and parity."""
    layers: Depth = 3
    """Rounds of messages; each adds one cutoff to what an atom sees. The last one makes scalars only."""
    degree: int = Field(default=2, ge=0, le=6)
    """Highest degree of features and spherical harmonics; one layer has no use for degrees above 0. With 5 and 6
    the code takes minutes to compile the first time."""
    pseudotensors: bool = False
    """Whether features hold pseudotensors (1e, 0o, ...) besides proper tensors, where those can reach an energy: with
    four layers or more, with attention with three."""
    activation: Literal["silu", "gelu", "mish"] = "silu"
    """Scalars pass it; every other block is multiplied by the gate, activation(x) / x, of the scalars."""
    attention_heads: int = Field(default=0, ge=0)
    """0 for messages that are summed; otherwise neighbors are weighed by attention with so many heads."""
    radial: E3xRadialConfig = E3xRadialConfig()

    @model_validator(mode="after")
    def _can_be_built(self) -> E3xConfig:
        has_attention = self.attention_heads > 0
        proper = Layout.natural(self.degree)
        made = layer_layouts(self.layers, self.degree, self.pseudotensors, has_attention)
        if self.pseudotensors and all(irrep in proper for layout in made for irrep in layout):
            given = "degree 0" if self.degree == 0 else f"{self.layers} layers"
            raise ValueError(
                f"pseudotensors: with {given} none of them can reach an energy; use degree 1 or more and at least "
                f"{3 if has_attention else 4} layers, or pseudotensors: false"
            )
        if self.attention_heads and self.channels % self.attention_heads:
            divisors = [n for n in range(1, self.channels + 1) if self.channels % n == 0]
            raise ValueError(
                f"attention_heads: {self.channels} channels cannot be divided among {self.attention_heads} heads; "
                f"use one of {', '.join(map(str, divisors))}, or 0 for no attention"
            )
        return self


class LinearRadialMap(RadialMap):
    """Functions of the distance times the matrix of a module."""

    def __init__(self, linear: Filters | PositionEncoding) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """[W, K] to [W, F]."""
        matrix = self.linear.matrix()

        def at(r: Tensor) -> ValuesAndSlopes:
            values, slopes = functions.at(r)
            return values @ matrix, slopes @ matrix

        return RadialFunctions(functions.values @ matrix, functions.slopes @ matrix, functions.distances, at)


class Messages(nn.Module):
    """`potentials.equivariant.MessagePass` times a factor, with the slopes of its filters.

    Attributes:
        layout: the blocks it makes: those of `wanted` that symmetry lets the input reach.
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
        """Features [N, input components, C], and of each edge weights [E, C], to [N, output components, C]."""
        filters, sent = self.filters(basis), x * self.factor
        if weights is None:
            return self.paths(filters.message_sum(self.coupling.table, sent, Y, topology))
        weighted = filters.connected().index_select(0, topology.edge_pair).unflatten(1, (-1, x.shape[2]))
        message = message_sum(self.coupling.table, sent, Y, weighted * weights.unsqueeze(1), topology.directed())
        return self.paths(message)

    def seen(self, name: str, edges: EdgeEmbedding, channels: int, attention: AttentionWeights | None) -> MessageRound:
        """Where the messages can be seen."""

        def weights(seen: Recording, topology: EdgeTopology) -> Tensor:
            filters = of_each_edge(seen.result(self.filters), channels, topology)
            return filters if attention is None else filters * seen.result(attention).unsqueeze(1)

        return MessageRound(
            name,
            self.coupling.table,
            self.coupling.blocks,
            harmonic_paths(self.coupling),
            sent=lambda seen: seen.argument(self) * self.factor,
            harmonics=lambda seen: seen.result(edges)[0],
            weights=weights,
            summed=lambda seen: seen.argument(self.paths),
            radial=self.filters,
        )


class Attention(nn.Module):
    """`potentials.equivariant.SelfAttention`, with the slopes of its radial functions.

    Attributes:
        layout: the blocks it makes.
    """

    def __init__(self, config: E3xConfig, inputs: Layout, wanted: Layout, radial: RadialBasis) -> None:
        super().__init__()
        channels = config.channels
        self.envelope, self.cutoff = radial.envelope, radial.cutoff
        self.weights = AttentionWeights(inputs, channels, config.attention_heads)
        self.encoding = LinearRadialMap(PositionEncoding(inputs, config.radial.size, channels))
        # What messages do not carry, queries and keys still compare.
        sent = {source for source, *_ in message_table(inputs, config.degree, wanted).paths}
        self.value = Dense(inputs, channels, channels, Layout(irrep for irrep in inputs if irrep in sent), bias=False)
        self.messages = Messages(config, self.value.layout, wanted)
        self.layout = self.messages.layout
        self.output = Dense(self.layout, channels, channels)

    def forward(self, x: Tensor, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology) -> Tensor:
        """Features [N, input components, C] to [N, output components, C]."""
        envelope, _ = self.envelope(basis.distances.squeeze(1) / self.cutoff)
        weights = self.weights(x, self.encoding(basis).connected(), envelope, topology)
        return self.output(self.messages(self.value(x), Y, basis, topology, weights))


class Layer(nn.Module):
    """y = x + messages, then x + Dense(act(Dense(y))); the last dense layer is zero at first."""

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
        """Features [N, input components, C] to [N, output components, C]."""
        message = change_layout(self.messages(x, Y, basis, topology), self.messages.layout, self.outputs)
        x = change_layout(x, self.inputs, self.outputs)
        return x + self.second(self.activation(self.first(x + message)))


class E3x(nn.Module):
    """The network. Distances, directions and species in; node energies out."""

    def __init__(self, config: E3xConfig) -> None:
        super().__init__()
        channels, elements = config.channels, len(config.elements)
        self.channels, self.degree = channels, config.degree
        self.embedding = nn.Parameter(torch.randn(elements, channels) * channels**-0.5)
        functions = config.radial
        basis = MappedBasis(functions.basis, functions.mapping, functions.size, config.cutoff, functions.trainable)
        radial = RadialBasis(functions, config.cutoff, config.elements, basis=basis)
        # E3x's directions point from the receiving atom to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        layouts = layer_layouts(config.layers, config.degree, config.pseudotensors, config.attention_heads > 0)
        self.layers = nn.ModuleList(
            Layer(config, inputs, outputs, radial) for inputs, outputs in itertools.pairwise([SCALARS, *layouts])
        )
        self.readout = Dense(SCALARS, channels, 1, bias=False, zero=True)
        self.element_bias = nn.Parameter(torch.zeros(elements))

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A (sender to receiver) and species [N] to node energies [N], before scale and shift."""
        Y, basis = self.edges(edge_vectors, species, topology)
        x = self.embedding[species].unsqueeze(1)
        for layer in self.layers:
            x = layer(x, Y, basis, topology)
        return self.readout(x)[:, 0, 0] + self.element_bias[species]

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        features = [NodeFeatures("x, elements", SCALARS, lambda seen: seen.argument(self.layers[0]))]
        rounds = []
        attends = False
        for number, layer in enumerate(cast("list[Layer]", self.layers), start=1):
            messages, weights = layer.messages, None
            if isinstance(messages, Attention):
                attends, weights, messages = True, messages.weights, messages.messages
            rounds.append(messages.seen(f"layer {number}", self.edges, self.channels, weights))
            features.append(NodeFeatures(f"x, features after layer {number}", layer.outputs, _result(layer)))
        remark = "Neighbors are weighed by attention: the weights of a message depend on both atoms' features."
        special = remark if attends else ""
        return Anatomy(self.degree, features, rounds, self.edges.radial, self.channels, remark=special)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The matrices of the dense layers."""
        return [p for module in self.modules() if isinstance(module, BlockMixing) for p in module.parameters()]


def _result(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module)


register_family("e3x", E3xConfig, E3x)
