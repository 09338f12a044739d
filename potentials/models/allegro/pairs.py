"""What both networks of Allegro share: tensors of pairs, environments of atoms, and the sum of pair energies.

Symbols: x, scalars of an ordered pair ij [E, F], which contributes to the energy of atom i; V, tensors of the pair
[E, components, C]; Y, spherical harmonics of the direction from i to j; Gamma, environments of the atoms; N, average
number of neighbors. Networks (MLP) have no bias.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from potentials.equivariant import BlockMixing, Irrep, Layout, ScaledActivation, WeightedChannelProduct, message_table
from potentials.kernels import EdgeTopology, MessageTable, message_sum
from potentials.models.allegro.config import AllegroConfig
from potentials.models.blocks import EdgeEmbedding, ScalarNetwork
from potentials.models.radial import RadialBasis
from potentials.models.readouts import ReadoutNetwork

SCALAR = Irrep(0, 1)


class NeighborSum(nn.Module):
    """Environment of an atom: sum over its neighbors with a weight for each degree and channel.

    Gamma_i = 1 / sqrt(N) sum_k w_ik Y(r_ik)
    """

    def __init__(self, config: AllegroConfig) -> None:
        super().__init__()
        self.degrees, self.channels = config.degree + 1, config.channels
        self.scale = float(config.average_neighbors) ** -0.5
        natural = Layout.natural(config.degree)
        self.table: MessageTable = message_table(Layout([SCALAR]), config.degree, natural).table

    def forward(self, weights: Tensor, Y: Tensor, directed: EdgeTopology) -> Tensor:
        """Map weights of pairs [E, (degree + 1) C] to environments [N, (degree + 1)^2, C]."""
        w = weights.unflatten(1, (self.degrees, self.channels)) * self.scale
        ones = weights.new_ones(directed.num_nodes, 1, self.channels)
        return message_sum(self.table, ones, Y, w, directed)


class PairFeatures(NamedTuple):
    """Features of pairs of atoms, whose energies are added at the receiver."""

    x: Tensor
    """[E, features]."""
    receivers: Tensor
    """[E] int64."""
    num_atoms: int


class PairNetwork(ReadoutNetwork):
    """Networks whose node energies are sums over the pairs of an atom.

    e_i = 1 / sqrt(N) sum_j MLP(x_ij)

    Args:
        config: the configuration.
        enveloped: whether the radial functions contain the envelope.
        readout_inputs: number of scalars that the readout reads.
    """

    def __init__(self, config: AllegroConfig, enveloped: bool, readout_inputs: int) -> None:
        super().__init__()
        self.num_species = len(config.elements)
        self.channels, self.cutoff = config.channels, config.cutoff
        radial = RadialBasis(config.radial, config.cutoff, config.elements, enveloped=enveloped)
        self.envelope = radial.envelope
        self.radial_size = radial.size
        # Directions point from the atom that receives the energy to its neighbor.
        self.edges = EdgeEmbedding(radial, config.degree, towards_sender=True)
        self.scale = float(config.average_neighbors) ** -0.5
        self.activation = ScaledActivation()
        self.repeats = [irrep.dim for irrep in Layout.natural(config.degree)]
        self.readout_sizes = [readout_inputs, *config.readout_mlp, 1]

    def energies(self, features: Iterable[PairFeatures], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        ((x, receivers, num_atoms),) = features
        energies = readouts(x).squeeze(1) * self.scale
        return energies.new_zeros(num_atoms).index_add(0, receivers, energies)

    def repeated(self, weights: Tensor) -> Tensor:
        """Repeat weights [E, (degree + 1) C] for the components of each degree, [E, components, C]."""
        weights = weights.unflatten(1, (len(self.repeats), self.channels))
        repeats = torch.tensor(self.repeats, device=weights.device)
        return weights.repeat_interleave(repeats, dim=1)

    @property
    def first_readouts(self) -> nn.Module:
        """The readout of the first head."""
        return cast(nn.Module, self.readout)

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the weights of all networks and linear maps."""
        modules = [
            module
            for module in self.modules()
            if isinstance(module, ScalarNetwork | BlockMixing | WeightedChannelProduct)
        ]
        return [parameter for module in modules for parameter in module.parameters(recurse=False)]
