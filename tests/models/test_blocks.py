"""The scalar network against its formula, and its variance at initialisation."""

from __future__ import annotations

import numpy as np
import torch

from potentials.equivariant import ScaledActivation
from potentials.models.blocks import ScalarNetwork


def test_formula() -> None:
    torch.manual_seed(0)
    network = ScalarNetwork([3, 5, 4, 2], ScaledActivation("silu")).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    first, second, third = (weight.detach().numpy() for weight in network.weights)

    def activation(values: np.ndarray) -> np.ndarray:
        return network.activation.factor * values / (1 + np.exp(-values))

    hidden = activation(x.numpy() @ first / np.sqrt(3))
    hidden = activation(hidden @ second / np.sqrt(5))
    np.testing.assert_allclose(network(x).detach(), hidden @ third / np.sqrt(4), rtol=1e-12)


def test_two_sizes_are_one_linear_map() -> None:
    network = ScalarNetwork([3, 2], ScaledActivation("silu")).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    torch.testing.assert_close(network(-2 * x), -2 * network(x))


def test_keeps_unit_variance() -> None:
    torch.manual_seed(0)
    network = ScalarNetwork([100, 300, 300, 300], ScaledActivation("silu"))
    assert abs(network(torch.randn(300, 100)).var().item() - 1) < 0.15
