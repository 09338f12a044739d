"""Radial networks in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from potentials.kernels.activations import silu
from potentials.kernels.radial_network.weights import perceptron_matrices


def radial_network(
    values: Tensor, slopes: Tensor, weight: Tensor, sizes: Sequence[int], scales: Sequence[float], keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute outputs and their slopes [W, F], and the inputs of the activations if they are kept."""
    x = torch.stack([values, slopes])
    hidden = []
    for layer, (matrix, scale) in enumerate(zip(perceptron_matrices(weight, sizes), scales, strict=True)):
        if layer:
            hidden.append(x.flatten())
            value, slope, _ = silu(x[0])
            x = torch.stack([value, slope * x[1]])
        x = x @ (matrix * scale)
    kept = torch.cat(hidden) if keep and hidden else values.new_empty(0)
    return x[0].clone(), x[1].clone(), kept


def radial_network_gradients(
    values: Tensor,
    slopes: Tensor,
    weight: Tensor,
    hidden: Tensor,
    by_values: Tensor,
    by_slopes: Tensor,
    sizes: Sequence[int],
    scales: Sequence[float],
    inputs_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute gradients with respect to the weight and, if requested, to values and slopes."""
    pairs = values.shape[0]
    parts = hidden.split([2 * pairs * size for size in sizes[1:-1]])
    before = [z.view(2, pairs, size) for z, size in zip(parts, sizes[1:-1], strict=True)]
    gradients = torch.stack([by_values, by_slopes])
    found: list[Tensor] = []
    for layer, matrix in reversed(list(enumerate(perceptron_matrices(weight, sizes)))):
        inputs = torch.stack([values, slopes])
        passed = gradients @ (matrix * scales[layer]).T
        if layer:
            z, tangent = before[layer - 1]
            value, first, second = silu(z)
            inputs = torch.stack([value, first * tangent])
            passed = torch.stack([first * passed[0] + second * tangent * passed[1], first * passed[1]])
        found.insert(0, scales[layer] * inputs.flatten(0, 1).T @ gradients.flatten(0, 1))
        gradients = passed
    nothing = values.new_empty(0)
    by_inputs = (gradients[0].clone(), gradients[1].clone()) if inputs_wanted else (nothing, nothing.clone())
    return torch.cat([matrix.flatten() for matrix in found]), *by_inputs


def row_dot(left: Tensor, right: Tensor) -> Tensor:
    """Compute the scalar product of each row [N]."""
    return (left * right).sum(dim=1)
