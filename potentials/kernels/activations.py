"""Activation functions with their first and second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor


def silu(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute silu(x) = x s(x), s the sigmoid function, and its first and second derivatives."""
    s = torch.sigmoid(x)
    return x * s, s * (1 + x * (1 - s)), s * (1 - s) * (2 + x * (1 - 2 * s))


def tanh(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute tanh(x) and its first and second derivatives."""
    value = torch.tanh(x)
    first = 1 - value**2
    return value, first, -2 * value * first
