"""Modules of PaiNN: message and update blocks of scalars and vectors. Equations (7) to (10) have the numbers of the
paper (arXiv:2102.03150).

Symbols: s, scalars [N, C]; v, vectors [N, 3, C], in the order of the spherical harmonics of degree 1; z, species; r,
distances, and r^ directions; W, continuous filters; phi and a, atom-wise dense layers; U and V, linear maps of the
channels of v; N, average number of neighbors; * is the channel-wise product.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from potentials.equivariant import BlockMixing, Irrep
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.kernels import EdgeTopology, MessagePath, MessageTable
from potentials.models.blocks import Dense, EdgeEmbedding
from potentials.models.painn.config import PaiNNConfig
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap
from potentials.models.readouts import ReadoutNetwork

VECTOR = Irrep(1, -1)
_SOFTENING = 1e-2
"""Added to |V v|^2, so that the norm is differentiable if v is zero by symmetry, as in perfect crystals."""


@cache
def message_terms(has_vectors: bool) -> MessageTable:
    """Return the table of the sums in eqs. 7 and 8, with sender features [phi_s, phi_vs, phi_vv * v].

    The terms are paths of one table: scalars to scalars; scalars times directions to vectors; vectors to vectors. The
    two sums of vectors, [3, paths], must still be added.
    """
    step = 2 if has_vectors else 1
    unit = np.eye(3)
    paths = [
        MessagePath(0, 0, 0, 1, np.ones((1, 1, 1))),
        MessagePath(1, 1, 1, step, unit[None] / math.sqrt(3)),  # harmonics of degree 1 are sqrt(3) r^
    ]
    if has_vectors:
        paths.append(MessagePath(2, 0, 2, step, unit[:, None]))
    return MessageTable.create(5 if has_vectors else 2, 4, 1 + 3 * step, paths)


class Filters(RadialMap):
    """Continuous filters of one message block, one for each path and channel, with their derivatives dW/dr.

    W(r) = f_cut(r) D e(r)

    e is the radial basis, D a dense layer and f_cut the envelope.
    """

    def __init__(self, radial: RadialBasis, size: int) -> None:
        super().__init__()
        self.dense = Dense(radial.size, size)
        self.envelope, self.cutoff = radial.envelope, radial.cutoff

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Map basis functions [W, size] to filters [W, paths * C]."""

        def at(r: Tensor) -> ValuesAndSlopes:
            return self._filters(*functions.at(r), r)

        found = self._filters(functions.values, functions.slopes, functions.distances.detach())
        return RadialFunctions(*found, functions.distances, at)

    def _filters(self, values: Tensor, slopes: Tensor, r: Tensor) -> ValuesAndSlopes:
        values, slopes = self.dense(values), slopes @ self.dense.weight.T
        envelope, slope = self.envelope(r / self.cutoff)
        return values * envelope, slopes * envelope + values * (slope / self.cutoff)


class Message(nn.Module):
    """The message block.

    s_i <- s_i + 1 / sqrt(N) sum_j phi_s(s_j) * W_s(r_ij)                               (7)
    v_i <- v_i + 1 / sqrt(N) (sum_j v_j * phi_vv(s_j) * W_vv(r_ij)
                              + sum_j phi_vs(s_j) * W_vs(r_ij) r^_ij)                   (8)

    phi = D silu(D s) computes all three phi, and one operator computes all sums. In the first block there are no
    vectors yet, so the term of W_vv is missing.
    """

    def __init__(self, config: PaiNNConfig, radial: RadialBasis, has_vectors: bool) -> None:
        super().__init__()
        self.channels = config.channels
        self.scale = float(config.average_neighbors) ** -0.5
        self.table = message_terms(has_vectors)
        size = len(self.table.paths) * config.channels
        self.first = Dense(config.channels, config.channels)
        self.second = Dense(config.channels, size)
        self.filters = Filters(radial, size)

    def forward(
        self, s: Tensor, v: Tensor | None, Y: Tensor, basis: RadialFunctions, topology: EdgeTopology
    ) -> tuple[Tensor, Tensor]:
        """Map scalars [N, C] and vectors [N, 3, C] (None in the first block) to scalars and vectors."""
        W = self.filters(basis)
        sums = W.message_sum(self.table, self.sent(s, v), Y, topology)
        ds = sums[:, 0]  # (7)
        dv = sums[:, 1:].unflatten(1, (3, -1)).sum(2)  # (8)
        return s + ds, dv if v is None else v + dv

    def sent(self, s: Tensor, v: Tensor | None) -> Tensor:
        """Compute sender features phi_s, phi_vs, phi_vv * v, divided by sqrt(N), [N, 5, C] ([N, 2, C] without v)."""
        phi = self.second(nn.functional.silu(self.first(s))).unflatten(1, (-1, self.channels)) * self.scale
        return phi if v is None else torch.cat([phi[:, :2], phi[:, 2:] * v], dim=1)


class Update(nn.Module):
    """The atom-wise update block.

    s_i <- s_i + a_ss + a_sv * <U v_i, V v_i>    (9)
    v_i <- v_i + a_vv * U v_i                    (10)

    a = D silu(D (s_i || |V v_i|)) computes all three a; || is concatenation. The last block does not update the
    vectors, because the energy does not depend on them.
    """

    def __init__(self, config: PaiNNConfig, is_last: bool) -> None:
        super().__init__()
        self.channels = config.channels
        self.mixing = BlockMixing([(VECTOR, 1)], config.channels, 2 * config.channels)
        self.first = Dense(2 * config.channels, config.channels)
        self.second = Dense(config.channels, (2 if is_last else 3) * config.channels)

    def forward(self, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Map scalars [N, C] and vectors [N, 3, C] to scalars and vectors of the same shapes."""
        Uv, Vv = self.mixing(v).split(self.channels, dim=2)
        norm = (Vv.square().sum(1) + _SOFTENING).sqrt()
        a = self.second(nn.functional.silu(self.first(torch.cat([s, norm], dim=1))))
        a_ss, a_sv, *a_vv = a.split(self.channels, dim=1)
        s = s + a_ss + a_sv * (Uv * Vv).sum(1)  # (9)
        for gate in a_vv:
            v = v + gate.unsqueeze(1) * Uv  # (10)
        return s, v


class PaiNN(ReadoutNetwork):
    """The PaiNN network: node energies from distances, directions and species.

    s_i = a_{z_i}, v_i = 0                  embedding
    s, v <- update(message(s, v))           (7), (8)  `Message`; (9), (10)  `Update`; each layer
    e_i = D silu(D s_i)                     readout
    """

    def __init__(self, config: PaiNNConfig) -> None:
        super().__init__()
        channels, layers = config.channels, range(config.layers)
        self.embedding = nn.Parameter(torch.randn(len(config.elements), channels))
        radial = RadialBasis(config.radial, config.cutoff, config.elements, enveloped=False)
        self.edges = EdgeEmbedding(radial, 1)
        self.messages = nn.ModuleList(Message(config, radial, has_vectors=layer > 0) for layer in layers)
        self.updates = nn.ModuleList(Update(config, is_last=layer == config.layers - 1) for layer in layers)
        hidden = max(1, channels // 2)
        self.first = Dense(channels, hidden)
        self.second = Dense(hidden, 1)

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> list[Tensor]:
        """Compute the scalars s [N, C] after the last layer; arguments as in `ReadoutNetwork`."""
        Y, basis = self.edges(edge_vectors, species, topology)
        s, v = self.embedding[species], None
        for message, update in zip(self.messages, self.updates, strict=True):
            s, v = message(s, v, Y, basis, topology)  # (7), (8)
            s, v = update(s, v)  # (9), (10)
        return [s]

    def energies(self, features: Iterable[Tensor], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        (s,) = features
        first, second = cast(nn.ModuleList, readouts)
        return second(nn.functional.silu(first(s))).squeeze(1)

    @property
    def first_readouts(self) -> nn.Module:
        """The dense layers of the readout of the first head."""
        return nn.ModuleList([self.first, self.second])

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the matrices of the dense layers and of the linear maps of vectors."""
        weighted = [module for module in self.modules() if isinstance(module, Dense | BlockMixing)]
        return [parameter for module in weighted for name, parameter in module.named_parameters() if name == "weight"]
