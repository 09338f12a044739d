"""Networks that end in readouts, of which each head (level of theory) has its own."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from potentials.kernels import EdgeTopology


class ReadoutNetwork(nn.Module, ABC):
    """Node energies e = sum_k readout_k(features_k), features of atoms or edges of the layers k that have a readout.

    With several heads, all heads share the features, and each has readouts of its own: `readouts` are those of the
    first head, `more_readouts` those of the others.
    """

    more_readouts: nn.ModuleList
    """Exists only with several heads."""

    @abstractmethod
    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Iterable[Any]:
        """Compute the features of each layer that has a readout.

        A family with several of them yields the features of a layer before it computes the next layer.

        Args:
            edge_vectors: vectors from sender to receiver [E, 3], A.
            species: species index of each atom [N] int64.
            topology: the edges.
        """

    @abstractmethod
    def energies(self, features: Iterable[Any], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift, with the readouts of a head."""

    @property
    @abstractmethod
    def first_readouts(self) -> nn.Module:
        """The readouts of the first head, or of the only one."""

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute node energies [N] of the first head, before scale and shift; arguments as in `features`."""
        return self.energies(self.features(edge_vectors, species, topology), self.first_readouts)

    def head_energies(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Compute node energies [H, N] of all heads, before scale and shift; arguments as in `features`."""
        features = list(self.features(edge_vectors, species, topology))
        return torch.stack([self.energies(features, readouts) for readouts in self.readouts_of_heads()])

    def readouts_of_heads(self) -> list[nn.Module]:
        """Return the readouts of each head."""
        return [self.first_readouts, *getattr(self, "more_readouts", ())]

    def set_number_of_heads(self, count: int) -> None:
        """Give `count` heads the readouts of the first head."""
        if hasattr(self, "more_readouts"):
            del self.more_readouts
        if count > 1:
            self.more_readouts = nn.ModuleList(copy.deepcopy(self.first_readouts) for _ in range(count - 1))

    def species_parameters(self) -> list[str]:
        """Return the names of the parameters whose first dimension is that of the species."""
        return ["embedding"]

    def take_species(self, other: ReadoutNetwork, species: Sequence[int]) -> None:
        """Take the weights of a network of other elements; factors that depend on their number are made up for.

        Args:
            other: network of the same configuration but for the elements.
            species: for each species of this network, the number of the species there.
        """
        state = other.state_dict()
        for name in self.species_parameters():
            state[name] = state[name][list(species)]
        self.load_state_dict(state)

    def readout_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the readouts of all heads."""
        return [parameter for readouts in self.readouts_of_heads() for parameter in readouts.parameters()]
