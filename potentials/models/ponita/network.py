"""Modules of PONITA: separable convolutions over positions and orientations. Equation numbers refer to this file.

Symbols: x, features of the atoms at each orientation o of the grid [N, O, C]; r_ij, vector from an atom to a neighbor;
phi, basis functions of the kernels k; f, envelope; D, dense layers; N, average number of neighbors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from potentials.equivariant.envelopes import polynomial_envelope
from potentials.kernels import EdgeTopology, MessageTable, message_sum
from potentials.models.ponita.config import PonitaConfig
from potentials.models.ponita.orientations import orientation_grid, pointwise_table
from potentials.models.readouts import ReadoutNetwork

_SOFTENING = 1e-6
"""A^2; makes the distance from an axis differentiable on the axis."""


def powers(x: Tensor, degree: int) -> Tensor:
    """Compute all products of 1 to `degree` elements along the last axis, [..., n + n^2 + ...]."""
    terms = [x]
    for _ in range(degree - 1):
        terms.append((terms[-1].unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2))
    return torch.cat(terms, dim=-1)


class KernelBasis(nn.Sequential):
    """Basis functions of the kernels.

    phi = gelu(B gelu(A p(invariants) + a) + b)    (4)

    p are all products of up to `polynomial_degree` invariants.
    """

    def __init__(self, config: PonitaConfig, invariants: int) -> None:
        size = sum(invariants**n for n in range(1, config.polynomial_degree + 1))
        first, second = nn.Linear(size, config.channels), nn.Linear(config.channels, config.basis)
        super().__init__(first, nn.GELU(), second, nn.GELU())
        self.degree = config.polynomial_degree

    def forward(self, invariants: Tensor) -> Tensor:
        """Map invariants [..., invariants] to basis functions [..., basis]."""
        return super().forward(powers(invariants, self.degree))


class ConvNextBlock(nn.Module):
    """One layer: a convolution over space at each orientation, one over the sphere at each atom, and dense layers.

    y_i(o) = 1 / sqrt(N) (sum_j f(r_ij) k(r_ij, o) * x_j(o) + k(0, o) * x_i(o))    (5)
    y_i(o) <- 1 / O sum_o' k'(o . o') * y_i(o')                                    (6)
    x_i(o) <- x_i(o) + D gelu(D LayerNorm(y_i(o) + b))                             (7)

    The kernels k and k' are linear in phi of their invariants (eq. 4); * is the channel-wise product. The convolution
    over space includes the atom itself, at distance zero.
    """

    def __init__(self, config: PonitaConfig, table: MessageTable) -> None:
        super().__init__()
        channels = config.channels
        self.table = table
        self.scale = float(config.average_neighbors) ** -0.5
        self.kernel = nn.Linear(config.basis, channels, bias=False)
        self.sphere_kernel = nn.Linear(config.basis, channels, bias=False) if config.orientations else None
        self.bias = nn.Parameter(torch.zeros(channels))
        self.norm = nn.LayerNorm(channels)
        self.first = nn.Linear(channels, config.widening * channels)
        self.second = nn.Linear(config.widening * channels, channels)

    def forward(self, x: Tensor, kernels: Tensor, own: Tensor, sphere: Tensor | None, directed: EdgeTopology) -> Tensor:
        """Map features [N, O, C] to features.

        Args:
            x: features [N, O, C].
            kernels: kernel basis of the edges [E, O, basis].
            own: kernel basis at distance zero [1, O, basis].
            sphere: kernel basis of the sphere [O, O, basis]; None without orientations.
            directed: the edges.
        """
        ones = kernels.new_ones(directed.num_edges, 1)
        y = message_sum(self.table, x, ones, self.kernel(kernels) * self.scale, directed)
        y = y + x * (self.kernel(own) * self.scale)  # (5)
        if self.sphere_kernel is not None and sphere is not None:
            y = torch.einsum("noc,poc->npc", y, self.sphere_kernel(sphere)) / x.shape[1]  # (6)
        y = self.norm(y + self.bias)
        return x + self.second(nn.functional.gelu(self.first(y)))  # (7)


class Ponita(ReadoutNetwork):
    """The PONITA network: node energies from edge vectors and species.

    x_i(o) = a_{z_i}                                      (1)  embedding
    x_i(o) <- block(x)_i(o), each layer                   (2)  `ConvNextBlock`
    e_i = mean over layers and orientations of D x_i(o)   (3)  a readout for each layer

    Kernels depend on r . o and |r - (r . o) o| of an edge, and on o . o' of two orientations; without orientations they
    depend on |r|.
    """

    grid: Tensor | None
    """[O, 3] unit vectors; saved with the weights, which are only valid for this grid."""

    def __init__(self, config: PonitaConfig) -> None:
        super().__init__()
        self.cutoff, self.power = config.cutoff, config.envelope_power
        self.orientations = config.orientations
        grid = None
        if config.orientations:
            grid = torch.tensor(orientation_grid(config.orientations), dtype=torch.get_default_dtype())
        self.register_buffer("grid", grid)
        self.embedding = nn.Parameter(torch.randn(len(config.elements), config.channels))
        self.kernel_basis = KernelBasis(config, 2 if config.orientations else 1)
        self.sphere_basis = KernelBasis(config, 1) if config.orientations else None
        table = pointwise_table(max(1, config.orientations))
        self.blocks = nn.ModuleList(ConvNextBlock(config, table) for _ in range(config.layers))
        self.readouts = nn.ModuleList(nn.Linear(config.channels, 1) for _ in range(config.layers))

    def features(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Iterator[Tensor]:
        """Yield x [N, O, C] after each layer; arguments as in `ReadoutNetwork`."""
        kernels, own, sphere = self._kernel_functions(edge_vectors)  # (4)
        directed = topology.directed()
        x = self.embedding[species].unsqueeze(1).expand(-1, max(1, self.orientations), -1).contiguous()  # (1)
        for block in self.blocks:
            x = block(x, kernels, own, sphere, directed)  # (2)
            yield x

    def energies(self, features: Iterable[Tensor], readouts: nn.Module) -> Tensor:
        """Compute node energies [N], before scale and shift."""
        of_layers = zip(features, cast(nn.ModuleList, readouts), strict=True)
        return torch.stack([readout(x).mean(dim=(1, 2)) for x, readout in of_layers]).mean(dim=0)  # (3)

    def _kernel_functions(self, edge_vectors: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Compute f phi of edges [E, O, basis], phi at distance zero [1, O, basis] and of the sphere [O, O, basis]."""
        distances = edge_vectors.norm(dim=1, keepdim=True)
        envelope, _ = polynomial_envelope(distances / self.cutoff, self.power)
        kernels = self.kernel_basis(self._invariants(-edge_vectors, distances)) * envelope.unsqueeze(2)
        nowhere = edge_vectors.new_zeros(1, 3)
        own = self.kernel_basis(self._invariants(nowhere, nowhere[:, :1]))
        sphere = None
        if self.grid is not None and self.sphere_basis is not None:
            sphere = self.sphere_basis((self.grid @ self.grid.T).unsqueeze(2))
        return kernels, own, sphere

    def _invariants(self, towards_sender: Tensor, distances: Tensor) -> Tensor:
        """Compute r . o and |r - (r . o) o| of all orientations o, [E, O, 2] A; without orientations |r|, [E, 1, 1]."""
        if self.grid is None:
            return distances.unsqueeze(1)
        along = towards_sender @ self.grid.T
        across = towards_sender.unsqueeze(1) - along.unsqueeze(2) * self.grid
        away = (across.square().sum(dim=2) + _SOFTENING).sqrt()
        return torch.stack([along, away], dim=2)

    @property
    def first_readouts(self) -> nn.Module:
        """The readouts of the first head."""
        return self.readouts

    def decay_parameters(self) -> list[nn.Parameter]:
        """Return the matrices of all linear maps."""
        linear = [module for module in self.modules() if isinstance(module, nn.Linear)]
        return [parameter for module in linear for name, parameter in module.named_parameters() if name == "weight"]
