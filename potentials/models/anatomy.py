"""Descriptions of the internal structure of networks, for visualization of features and messages.

A family describes its components in an `Anatomy`, which `anatomy_of_network` returns; `recorded` records inputs and
outputs of the modules in one forward pass, from which the components read their tensors. Not used in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from potentials.equivariant import Blocks, Irrep, Layout
from potentials.equivariant.couplings import MessageCoupling
from potentials.kernels import EdgeTopology, MessageTable
from potentials.models.radial_functions import RadialFunctions


class Recording:
    """Arguments and results of the last call of each module of a network."""

    def __init__(self) -> None:
        self._calls: dict[nn.Module, tuple[tuple[Any, ...], Any]] = {}

    def keep(self, module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        """Record a call, as forward hook."""
        self._calls[module] = arguments, result

    def argument(self, module: nn.Module, position: int = 0) -> Any:
        """Return an argument of a module."""
        return self._calls[module][0][position]

    def result(self, module: nn.Module) -> Any:
        """Return the result of a module."""
        return self._calls[module][1]


@contextmanager
def recorded(model: nn.Module) -> Iterator[Recording]:
    """Record the calls of the modules of a network within the context."""
    recording = Recording()
    handles = [module.register_forward_hook(recording.keep) for module in model.modules()]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class NodeFeatures:
    """Node features at one point of a network.

    Args:
        name: name of the point.
        layout: blocks of the components; `Blocks` if their channels differ.
        read: function of a recording that returns the features [N, components, C].
        grid: orientations [O, 3], if the components are values at these orientations instead of blocks.
    """

    name: str
    layout: Layout | Blocks
    read: Callable[[Recording], Tensor]
    grid: Tensor | None = None

    @property
    def blocks(self) -> Blocks:
        """The blocks with their numbers of copies."""
        return Blocks.of(self.layout)


@dataclass(frozen=True)
class MessageRound:
    """Messages m_e = sum_t C_t h[sender, a_t, c] Y[e, b_t] w[e, p_t, c], summed over the edges to each atom.

    Args:
        name: name of the message-passing step.
        table: table of the terms t.
        blocks: (irrep, paths) of the messages; their components are [2l + 1, paths], m outermost.
        paths: (sender block, harmonic block, receiver block) of each path of the table; empty if the components are
            not blocks.
        copies: copies of the sender block of each path; 1 if not given.
        sent: function that returns h [N, components, C].
        harmonics: function that returns Y [E, components].
        weights: function that returns w [E, paths, C].
        summed: function that returns the sum in the network [N, components, C]; None if it is not available separately.
        radial: map from the radial basis to the weights as functions of the distance [W, paths * C]; None if they do
            not only depend on the distance.
        learned: whether these functions are learned.
    """

    name: str
    table: MessageTable
    blocks: Sequence[tuple[Irrep, int]]
    paths: Sequence[tuple[Irrep, Irrep, Irrep]]
    sent: Callable[[Recording], Tensor]
    harmonics: Callable[[Recording], Tensor]
    weights: Callable[[Recording, EdgeTopology], Tensor]
    summed: Callable[[Recording], Tensor] | None
    radial: Callable[[RadialFunctions], RadialFunctions] | None = None
    learned: bool = True
    copies: Sequence[int] = ()

    def messages(self, recording: Recording, topology: EdgeTopology) -> Tensor:
        """Compute the message of each edge, [E, components, C]; `summed` is the sum over the edges of a receiver."""
        sent = self.sent(recording)[topology.senders]
        Y, w = self.harmonics(recording), self.weights(recording, topology)
        messages = sent.new_zeros(topology.num_edges, self.table.receiver_components, sent.shape[2])
        for number, path in enumerate(self.table.paths):
            coefficients = torch.from_numpy(path.coefficients).to(sent)
            h, y = sent[:, list(path.senders)], Y[:, list(path.harmonics)]
            messages[:, list(path.receivers)] += torch.einsum("eac,eb,ec,abd->edc", h, y, w[:, number], coefficients)
        return messages


@dataclass(frozen=True)
class ManyBodyProducts:
    """Products of the features of an atom with themselves.

    Args:
        name: name of the point in the network.
        counts: for each output block, the number of independent products by number of factors.
        terms: number of evaluated monomials by block; empty if they are not counted by block.
        weights: total number of learned weights.
    """

    name: str
    counts: Mapping[Irrep, Sequence[int]]
    terms: Mapping[Irrep, int]
    weights: int


@dataclass(frozen=True)
class PairProducts:
    """Channel-wise products of two tensors.

    Args:
        name: name of the point in the network.
        paths: (block of the first tensor, block of the second tensor, block of the product).
        first: description of the first tensor.
        second: description of the second tensor.
    """

    name: str
    paths: Sequence[tuple[Irrep, Irrep, Irrep]]
    first: str
    second: str


@dataclass(frozen=True)
class Anatomy:
    """The components of a network.

    Args:
        edge_degree: highest degree of the spherical harmonics; 0 if the network depends on distances only.
        features: node features in the order in which they are computed.
        rounds: message-passing steps.
        basis: the `RadialBasis`; None if there is none.
        many_body: products of the features of an atom with themselves.
        pair_products: products of two tensors.
        channels: channels C of the messages, for counting weights.
        remark: special features of this family, in one or two sentences.
    """

    edge_degree: int
    features: Sequence[NodeFeatures]
    rounds: Sequence[MessageRound]
    basis: nn.Module | None
    channels: int
    many_body: Sequence[ManyBodyProducts] = field(default=())
    pair_products: Sequence[PairProducts] = field(default=())
    remark: str = ""


@singledispatch
def anatomy_of_network(network: nn.Module) -> Anatomy | None:
    """Return the anatomy of a network; None if no function is registered for its class.

    The `anatomy.py` of a family registers a function with ``@anatomy_of_network.register``.
    """
    return None


def harmonic_paths(coupling: MessageCoupling) -> list[tuple[Irrep, Irrep, Irrep]]:
    """Return the paths of a coupling with harmonics, which are proper tensors."""
    return [(source, coupling.harmonic(degree), target) for source, degree, target in coupling.paths]


def of_each_edge(functions: RadialFunctions, channels: int, topology: EdgeTopology) -> Tensor:
    """Expand functions of pairs of edges [W, paths * C] to weights of the edges [E, paths, C]."""
    return functions.values.unflatten(1, (-1, channels))[topology.edge_pair]


def argument_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    """Return a function that reads the first argument of a module."""
    return lambda seen: seen.argument(module)


def result_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    """Return a function that reads the result of a module."""
    return lambda seen: seen.result(module)
