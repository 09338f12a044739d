"""Building blocks used by several families."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from potentials.equivariant import ScaledActivation
from potentials.equivariant.envelopes import ValuesAndSlopes
from potentials.equivariant.spherical_harmonics import harmonics_table
from potentials.kernels import EdgeTopology, edge_geometry, radial_network
from potentials.kernels.radial_network import perceptron_matrices
from potentials.kernels.radial_network.reference import radial_network as plain_radial_network
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialFunctions, RadialMap


class EdgeEmbedding(nn.Module):
    """Embedding of the geometry: spherical harmonics of the edges and the radial basis of the pairs of edges.

    Args:
        radial: the radial basis.
        degree: highest degree of the spherical harmonics.
        towards_sender: whether directions point from receiver to sender (NequIP) instead of sender to receiver (MACE).
    """

    def __init__(self, radial: RadialBasis, degree: int, towards_sender: bool = False) -> None:
        super().__init__()
        self.radial: nn.Module = radial
        self.table = harmonics_table(degree)
        self.towards_sender = towards_sender

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> tuple[Tensor, RadialFunctions]:
        """Compute harmonics [E, (degree + 1)^2] and radial basis [W, size] from edge vectors [E, 3] in A."""
        Y, distances = edge_geometry(self.table, edge_vectors, topology, -1.0 if self.towards_sender else 1.0)
        if not self.radial.depends_on_species:
            return Y, self.radial(distances)
        first_edges = topology.pair_edges[:, 0]
        ends = (species[atoms[first_edges]] for atoms in (topology.senders, topology.receivers))
        return Y, self.radial(distances, *ends)


class Dense(nn.Linear):
    """x W^T + b, with Glorot-uniform weights and zero bias as initial values."""

    def reset_parameters(self) -> None:
        """Initialize the parameters; called by the constructor."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Perceptron(nn.Module):
    """Weights of a multilayer perceptron without bias.

    Each layer multiplies by W / sqrt(fan-in), after the activation in all layers but the first. Weights are
    initialized standard normal, which preserves unit variance. With two `sizes` it is one linear map.
    """

    def __init__(self, sizes: Sequence[int], activation: ScaledActivation) -> None:
        super().__init__()
        self.sizes = list(sizes)
        matrices = [torch.randn(shape) for shape in itertools.pairwise(sizes)]
        self.weight = nn.Parameter(torch.cat([matrix.flatten() for matrix in matrices]))
        self.activation = activation
        factors = [1.0] + [activation.factor] * (len(matrices) - 1)
        self.scales = [factor * size**-0.5 for factor, size in zip(factors, self.sizes, strict=False)]
        """Factor of each layer's matrix: 1 / sqrt(fan-in) times the factor of the preceding activation."""

    @property
    def weights(self) -> list[Tensor]:
        """Return the matrix of each layer as a view of the parameter."""
        return perceptron_matrices(self.weight, self.sizes)


class ScalarNetwork(Perceptron):
    """A perceptron of scalar features."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [rows, sizes[0]] to [rows, sizes[-1]]."""
        for layer, (weight, scale) in enumerate(zip(self.weights, self.scales, strict=True)):
            # Constants scale the weights, which are smaller than the data.
            x = (self.activation.function(x) if layer else x) @ (weight * scale)
        return x


class RadialNetwork(Perceptron, RadialMap):
    """A perceptron of functions of the distance, with silu between layers.

    Args:
        sizes: number of inputs, hidden units of each layer, and outputs.
        factor: factor of the activation; the default preserves unit variance.
        powers: exponents n of the factor r^n (r in A) of each output; 0 if not given.
    """

    def __init__(self, sizes: Sequence[int], factor: float | None = None, powers: Sequence[int] | None = None) -> None:
        super().__init__(sizes, ScaledActivation("silu", factor))
        self.powers = None if powers is None else list(powers)

    def forward(self, functions: RadialFunctions) -> RadialFunctions:
        """Map functions [W, sizes[0]] to functions [W, sizes[-1]]."""

        def at(r: Tensor) -> ValuesAndSlopes:
            found = plain_radial_network(*functions.at(r), self.weight, self.sizes, self.scales, False)[:2]
            return self._with_powers(r, *found)

        found = radial_network(functions.values, functions.slopes, self.weight, self.sizes, self.scales)
        found = self._with_powers(functions.distances.detach(), *found)
        return RadialFunctions(*found, functions.distances, at)

    def _with_powers(self, r: Tensor, values: Tensor, slopes: Tensor) -> ValuesAndSlopes:
        """Multiply functions [W, F] and their derivatives by powers of the distance [W, 1]."""
        if self.powers is None:
            return values, slopes
        exponents = torch.tensor(self.powers, dtype=r.dtype, device=r.device)
        factor, slope = r**exponents, exponents * r ** (exponents - 1).clamp_min(0)
        return values * factor, slopes * factor + values * slope
