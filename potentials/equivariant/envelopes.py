"""Envelopes, which end functions of the distance smoothly at the cutoff; with their slopes, in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

ValuesAndSlopes = tuple[Tensor, Tensor]
"""Functions of the distance and their derivatives."""


def polynomial_envelope(x: Tensor, power: int) -> ValuesAndSlopes:
    """1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), zero for x >= 1, and its derivative,
    -p(p+1)(p+2)/2 x^(p-1) (1 - x)^2.

    Value, first and second derivative vanish at x = 1. Gasteiger et al., "Directional message passing" (2020), eq. 8.
    """
    p = power
    inside = (x < 1).to(x.dtype)
    lower = x ** (p - 1) * inside
    value = inside - lower * x * ((p + 1) * (p + 2) / 2 - p * (p + 2) * x + p * (p + 1) / 2 * x**2)
    return value, lower * (1 - x) ** 2 * (-p * (p + 1) * (p + 2) / 2)


def cosine_envelope(x: Tensor) -> ValuesAndSlopes:
    """(1 + cos(pi x)) / 2, zero for x >= 1, and its derivative; the second derivative jumps there (Behler 2011)."""
    inside = x < 1
    return 0.5 * (1 + torch.cos(math.pi * x)) * inside, -0.5 * math.pi * torch.sin(math.pi * x) * inside


def smooth_envelope(x: Tensor) -> ValuesAndSlopes:
    """exp(1 - 1 / (1 - x^2)), zero for x >= 1, and its derivative; all derivatives vanish at x = 1 (SpookyNet, Unke et
    al. 2021)."""
    inside = x < 1
    # The masked argument keeps the derivative finite where the result is zero anyway.
    denominator = torch.where(inside, 1 - x**2, torch.ones_like(x))
    value = torch.where(inside, torch.exp(1 - 1 / denominator), torch.zeros_like(x))
    return value, -2 * x / denominator**2 * value
