"""Blocks that several families share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from potentials.equivariant import ScaledActivation, spherical_harmonics
from potentials.kernels import EdgeTopology
from potentials.models.radial import RadialBasis


class EdgeEmbedding(nn.Module):
    """What a family sees of the geometry: directions of the edges, distances of the pairs.

    Args:
        radial: the radial basis.
        degree: highest degree of the spherical harmonics.
        towards_sender: whether directions point from the receiver to the sender (NequIP) or the other way (MACE).
    """

    def __init__(self, radial: RadialBasis, degree: int, towards_sender: bool = False) -> None:
        super().__init__()
        self.radial = radial
        self.degree = degree
        self.towards_sender = towards_sender

    def forward(self, edge_vectors: Tensor, species: Tensor, topology: EdgeTopology) -> tuple[Tensor, Tensor]:
        """Edge vectors [E, 3] A (sender to receiver) to harmonics [E, (degree + 1)^2] and radial basis [W, size]."""
        distances = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        directions = edge_vectors / (-distances if self.towards_sender else distances)
        first_edges = topology.pair_edges[:, 0]
        basis = self.radial(
            distances.index_select(0, first_edges),
            species[topology.senders[first_edges]],
            species[topology.receivers[first_edges]],
        )
        return spherical_harmonics(directions, self.degree), basis


class ScalarNetwork(nn.Module):
    """Multilayer perceptron without bias: x W / sqrt(fan-in) in each layer, the activation between layers.

    Weights start standard normal, so unit-variance input stays so. With `sizes` of two entries it is one linear map.
    """

    def __init__(self, sizes: Sequence[int], activation: ScaledActivation) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(fan_in, fan_out)) for fan_in, fan_out in itertools.pairwise(sizes)
        )
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """[rows, sizes[0]] to [rows, sizes[-1]]."""
        for layer, weight in enumerate(self.weights):
            scale = weight.shape[0] ** -0.5
            if layer:
                x = self.activation.function(x)
                scale *= self.activation.factor
            # Constants scale the weights rather than the data: those are smaller.
            x = x @ (weight * scale)
        return x
