"""Blocks that several families share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from potentials.equivariant import ScaledActivation


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
            if layer:
                x = self.activation(x)
            x = x @ (weight * weight.shape[0] ** -0.5)
        return x
