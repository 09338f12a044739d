"""PONITA: separable convolutions over positions and orientations (Bekkers et al., ICLR 2024)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from potentials.config.base import Depth, EnvelopePower, Width
from potentials.config.families import FamilyConfig, register_family
from potentials.equivariant import Irrep, Layout
from potentials.equivariant.envelopes import polynomial_envelope
from potentials.kernels import EdgeTopology, MessagePath, MessageTable, message_sum
from potentials.models.anatomy import Anatomy, MessageRound, NodeFeatures, Recording

_NO_READOUT = (
    "ponita gives energies here, and forces as their gradient, so there is no readout of vectors (which without "
    "orientations could not be: orientations: 0 knows no directions); leave this out"
)
_SOFTENING = 1e-6
"""A^2; keeps the distance from an axis differentiable on the axis."""


class PonitaConfig(FamilyConfig):
    """PONITA: features of atoms at each orientation of a fixed grid, convolved over space and over the sphere.

    With orientations the symmetry under rotations is approximate, the better the more there are; `potentials inspect`
    measures it. Without (`orientations: 0`) the model sees distances only and is exactly invariant.
    """

    without_readout: ClassVar[str] = _NO_READOUT

    name: Literal["ponita"]
    channels: Width = 128
    """Features of an atom at each orientation."""
    layers: Depth = 5
    """Convolutions; each adds one cutoff to what an atom sees."""
    orientations: int = Field(default=20, ge=0, le=200)
    """Points of the grid on the sphere; 0 for a model of distances only."""
    basis: Width = 256
    """Functions that all convolution kernels are made of."""
    polynomial_degree: int = Field(default=3, ge=1, le=8)
    """Invariants enter these functions as polynomials up to this degree."""
    widening: int = Field(default=4, ge=1, le=64)
    """Hidden layer of each block, in multiples of the channels."""
    envelope_power: EnvelopePower = 6
    """Power p of the polynomial envelope, which ends convolutions at the cutoff with two derivatives."""

    @model_validator(mode="after")
    def _enough_orientations(self) -> PonitaConfig:
        if 0 < self.orientations < 4:
            raise ValueError(
                f"orientations: expected 0 or at least 4, got {self.orientations}; fewer points span no sphere"
            )
        return self

    @property
    def exactly_symmetric(self) -> bool:
        """Only without orientations.

        The invariants of position and orientation are those of O(3), reflections included: with all orientations of
        the sphere the model would be exact. A grid of them has few symmetries of its own, and no inversion.
        """
        return self.orientations == 0


@cache
def orientation_grid(size: int) -> np.ndarray:
    """Points [size, 3] spread over the unit sphere: a Fibonacci spiral, relaxed by the repulsion 1 / r of its points.

    Always the same points: nothing in it is random.
    """
    index = np.arange(size) + 0.5
    height, angle = 1 - 2 * index / size, index * np.pi * (1 + 5**0.5)
    radius = np.sqrt(1 - height**2)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    step = 0.5 / size
    for _ in range(1000):
        offsets = points[:, None] - points[None]
        distances = np.linalg.norm(offsets, axis=2)
        np.fill_diagonal(distances, np.inf)
        points = points + step / size * (offsets / distances[..., None] ** 3).sum(axis=1)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points


def powers(x: Tensor, degree: int) -> Tensor:
    """All products of 1 to `degree` of the last axis' entries, [..., n + n^2 + ...]."""
    terms = [x]
    for _ in range(degree - 1):
        terms.append((terms[-1].unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2))
    return torch.cat(terms, dim=-1)


class KernelBasis(nn.Sequential):
    """phi = gelu(B gelu(A p(invariants) + a) + b), p the polynomials."""

    def __init__(self, config: PonitaConfig, invariants: int) -> None:
        size = sum(invariants**n for n in range(1, config.polynomial_degree + 1))
        first, second = nn.Linear(size, config.channels), nn.Linear(config.channels, config.basis)
        super().__init__(first, nn.GELU(), second, nn.GELU())
        self.degree = config.polynomial_degree

    def forward(self, invariants: Tensor) -> Tensor:
        """[..., invariants] to [..., basis]."""
        return super().forward(powers(invariants, self.degree))


class ConvNextBlock(nn.Module):
    """x + MLP(LayerNorm(convolution of x)): over space at each orientation, then over the sphere at each atom.

    The convolution over space takes in the atom itself, as a neighbor at no distance.
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
        """Features [N, O, C] to features; kernel basis of edges [E, O, basis], at no distance [1, O, basis] and of the
        sphere [O, O, basis]."""
        ones = kernels.new_ones(directed.num_edges, 1)
        y = message_sum(self.table, x, ones, self.kernel(kernels) * self.scale, directed)
        y = y + x * (self.kernel(own) * self.scale)
        if self.sphere_kernel is not None and sphere is not None:
            y = torch.einsum("noc,poc->npc", y, self.sphere_kernel(sphere)) / x.shape[1]
        y = self.norm(y + self.bias)
        return x + self.second(nn.functional.gelu(self.first(y)))

    def messages(self, name: str) -> MessageRound:
        """Where the convolution over space can be seen; that over the sphere follows at once."""

        def harmonics(seen: Recording) -> Tensor:
            kernels: Tensor = seen.argument(self, 1)
            return kernels.new_ones(kernels.shape[0], 1)

        return MessageRound(
            name,
            self.table,
            (),
            (),
            sent=lambda seen: seen.argument(self),
            harmonics=harmonics,
            weights=lambda seen, topology: self.kernel(seen.argument(self, 1)) * self.scale,
            summed=None,
        )


class Ponita(nn.Module):
    """The network. Edge vectors and species in; node energies out, means over orientations and layers."""

    grid: Tensor | None
    """[O, 3] unit vectors; saved with the weights, which mean nothing without it."""

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
        table = _pointwise_table(max(1, config.orientations))
        self.blocks = nn.ModuleList(ConvNextBlock(config, table) for _ in range(config.layers))
        self.readouts = nn.ModuleList(nn.Linear(config.channels, 1) for _ in range(config.layers))

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        """Edge vectors [E, 3] A (sender to receiver) and species [N] to node energies [N], before scale and shift."""
        distances = edge_vectors.norm(dim=1, keepdim=True)
        envelope, _ = polynomial_envelope(distances / self.cutoff, self.power)
        kernels = self.kernel_basis(self._invariants(-edge_vectors, distances)) * envelope.unsqueeze(2)
        nowhere = edge_vectors.new_zeros(1, 3)
        own = self.kernel_basis(self._invariants(nowhere, nowhere[:, :1]))
        sphere = None
        if self.grid is not None and self.sphere_basis is not None:
            sphere = self.sphere_basis((self.grid @ self.grid.T).unsqueeze(2))
        directed = topology.directed()
        x = self.embedding[species].unsqueeze(1).expand(-1, max(1, self.orientations), -1).contiguous()
        energies = []
        for block, readout in zip(self.blocks, self.readouts, strict=True):
            x = block(x, kernels, own, sphere, directed)
            energies.append(readout(x).mean(dim=(1, 2)))
        return torch.stack(energies).mean(dim=0)

    def _invariants(self, towards_sender: Tensor, distances: Tensor) -> Tensor:
        """r . o and |r - (r . o) o| of each edge and orientation o, [E, O, 2] A; without these |r|, [E, 1, 1]."""
        if self.grid is None:
            return distances.unsqueeze(1)
        along = towards_sender @ self.grid.T
        across = towards_sender.unsqueeze(1) - along.unsqueeze(2) * self.grid
        away = (across.square().sum(dim=2) + _SOFTENING).sqrt()
        return torch.stack([along, away], dim=2)

    def anatomy(self) -> Anatomy:
        """Its parts, to look at."""
        channels = self.embedding.shape[1]
        layout = Layout([Irrep(0, 1)])  # without orientations; with them the grid says what the components are
        features, rounds = [], []
        for number, block in enumerate(cast("list[ConvNextBlock]", self.blocks), start=1):
            rounds.append(block.messages(f"layer {number}"))
            features.append(NodeFeatures(f"x, features after layer {number}", layout, _result(block), self.grid))
        remark = (
            "PONITA's features are functions on a grid of orientations, shown as dots around the atoms; its kernels "
            "depend on how a neighbor lies to an orientation, not on the distance alone."
            if self.orientations
            else "Without orientations PONITA's features are scalars."
        )
        return Anatomy(0, features, rounds, None, channels, remark=remark)

    def decay_parameters(self) -> list[nn.Parameter]:
        """The matrices of all linear maps."""
        linear = [module for module in self.modules() if isinstance(module, nn.Linear)]
        return [parameter for module in linear for name, parameter in module.named_parameters() if name == "weight"]


def _pointwise_table(orientations: int) -> MessageTable:
    """Each orientation receives from the same orientation."""
    paths = [MessagePath(o, 0, o, 1, np.ones((1, 1, 1))) for o in range(orientations)]
    return MessageTable.create(orientations, 1, orientations, paths)


def _result(module: nn.Module) -> Callable[[Recording], Tensor]:
    return lambda seen: seen.result(module)


register_family("ponita", PonitaConfig, Ponita)
