"""What a network is made of, for those who want to look inside: where its features and messages can be seen.

A family describes its parts in an `Anatomy`, which `anatomy_of_network` finds; `recorded` keeps what its modules were
given and gave back in one pass, and the parts read their tensors from that. Nothing of this is used in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from potentials.equivariant import Irrep, Layout
from potentials.equivariant.couplings import MessageCoupling
from potentials.kernels import EdgeTopology, MessageTable
from potentials.models.radial_functions import RadialFunctions


class Recording:
    """Arguments and results of the modules of a network, of the last call of each."""

    def __init__(self) -> None:
        self._calls: dict[nn.Module, tuple[tuple[Any, ...], Any]] = {}

    def keep(self, module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
        """A forward hook."""
        self._calls[module] = arguments, result

    def argument(self, module: nn.Module, position: int = 0) -> Any:
        """What the module was given."""
        return self._calls[module][0][position]

    def result(self, module: nn.Module) -> Any:
        """What the module gave back."""
        return self._calls[module][1]


@contextmanager
def recorded(model: nn.Module) -> Iterator[Recording]:
    """Record what the modules of a network do within this context."""
    recording = Recording()
    handles = [module.register_forward_hook(recording.keep) for module in model.modules()]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True)
class NodeFeatures:
    """Features of the atoms at one place of a network.

    Args:
        name: of the place.
        layout: blocks of the components.
        read: [N, components, C].
        grid: [O, 3], where components are not blocks but values at these orientations.
    """

    name: str
    layout: Layout
    read: Callable[[Recording], Tensor]
    grid: Tensor | None = None


@dataclass(frozen=True)
class MessageRound:
    """Messages m_e = sum_t C_t h[sender, a_t, c] Y[e, b_t] w[e, p_t, c] that are summed over the edges to an atom.

    Args:
        name: of the round.
        table: of the terms t.
        blocks: (irrep, paths) of the messages; their components are [2l + 1, paths], m outermost.
        paths: (block sent, block of the harmonics, block received) of each path of the table; empty where the
            components are no blocks.
        sent: h, [N, components, C].
        harmonics: Y, [E, components].
        weights: w, [E, paths, C].
        summed: the sum as the network has it, [N, components, C]; None where it never stands alone.
        radial: from the radial basis to the weights as functions of the distance [W, paths * C]; None where they
            depend on more than the distance.
        learned: whether these functions were learned.
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

    def messages(self, recording: Recording, topology: EdgeTopology) -> Tensor:
        """Of each edge, [E, components, C]; their sums over the edges of each receiver are `summed`."""
        sent = self.sent(recording)[topology.senders]
        Y, w = self.harmonics(recording), self.weights(recording, topology)
        messages = sent.new_zeros(topology.num_edges, self.table.receiver_components, sent.shape[2])
        for number, path in enumerate(self.table.paths):
            coefficients = torch.from_numpy(path.coefficients).to(sent)
            size_a, size_b, size_d = path.coefficients.shape
            h = sent[:, path.sender_start : path.sender_start + size_a]
            y = Y[:, path.harmonic_start : path.harmonic_start + size_b]
            made = torch.einsum("eac,eb,ec,abd->edc", h, y, w[:, number], coefficients)
            stop = path.receiver_start + size_d * path.receiver_step
            messages[:, path.receiver_start : stop : path.receiver_step] += made
        return messages


@dataclass(frozen=True)
class ManyBodyProducts:
    """Products of the features of an atom with themselves.

    Args:
        name: of the place.
        counts: for each block that is made, the number of independent products by number of factors.
        terms: monomials that are evaluated, by block; empty where they are not counted block by block.
        weights: learned numbers in all.
    """

    name: str
    counts: Mapping[Irrep, Sequence[int]]
    terms: Mapping[Irrep, int]
    weights: int


@dataclass(frozen=True)
class PairProducts:
    """Products of two tensors, channel by channel.

    Args:
        name: of the place.
        paths: (block of the first, block of the second, block made).
        first: what the first tensor is.
        second: what the second is.
    """

    name: str
    paths: Sequence[tuple[Irrep, Irrep, Irrep]]
    first: str
    second: str


@dataclass(frozen=True)
class Anatomy:
    """The parts of a network.

    Args:
        edge_degree: highest degree of the spherical harmonics; 0 where it sees distances only.
        features: of the atoms, in the order in which they are made.
        rounds: of messages.
        basis: the `RadialBasis`; None where there is none.
        many_body: products of an atom's features with themselves.
        pair_products: products of two tensors.
        channels: C of the messages, for counting weights.
        remark: what is special about this family, in a sentence or two.
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
    """The parts of a network, by its class; None where the family registered no function for it.

    A family's `anatomy.py` registers one: ``@anatomy_of_network.register``.
    """
    return None


def harmonic_paths(coupling: MessageCoupling) -> list[tuple[Irrep, Irrep, Irrep]]:
    """The paths of a coupling with harmonics, which are proper tensors."""
    return [(source, Irrep(degree, (-1) ** degree), target) for source, degree, target in coupling.paths]


def of_each_edge(functions: RadialFunctions, channels: int, topology: EdgeTopology) -> Tensor:
    """Functions of pairs of edges [W, paths * C] as weights of the edges [E, paths, C]."""
    return functions.values.unflatten(1, (-1, channels))[topology.edge_pair]


def argument_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    """Reads what a module was given first."""
    return lambda seen: seen.argument(module)


def result_of(module: nn.Module) -> Callable[[Recording], Tensor]:
    """Reads what a module gave back."""
    return lambda seen: seen.result(module)
