"""Envelopes, which end functions of the distance smoothly at the cutoff; with their slopes, in closed form.

They are written without differences of nearly equal numbers, so that values and slopes keep their relative precision
up to the cutoff, in float32 too, and values are never negative. What is not a number stays that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ValuesAndSlopes = tuple[Tensor, Tensor]
"""Functions of the distance and their derivatives."""

_LARGEST_EXPONENT = 800.0
"""exp(-800) is zero in float64 too."""


def polynomial_envelope(x: Tensor, power: int) -> ValuesAndSlopes:
    """1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), zero for x >= 1, and its derivative,
    -p(p+1)(p+2)/2 x^(p-1) (1 - x)^2.

    Value, first and second derivative vanish at x = 1. Gasteiger et al., "Directional message passing" (2020), eq. 8.
    Evaluated as (1 - x)^3 sum_{k<p} (k+1)(k+2)/2 x^k, whose terms are all positive: the powers cancel near x = 1.
    """
    p = power
    x = x.clamp(max=1)
    rest = 1 - x
    square = rest**2
    total = torch.full_like(x, p * (p + 1) / 2)
    for k in range(p - 2, -1, -1):
        total = total * x + (k + 1) * (k + 2) / 2
    return total * square * rest, x ** (p - 1) * square * (-p * (p + 1) * (p + 2) / 2)


def cosine_envelope(x: Tensor) -> ValuesAndSlopes:
    """(1 + cos(pi x)) / 2, zero for x >= 1, and its derivative; the second derivative jumps there (Behler 2011).

    Evaluated as sin^2(pi (1 - x) / 2) and -pi sin(pi (1 - x) / 2) sin(pi x / 2).
    """
    # Not a clamp: its derivative at x = 1 is that from within, and what is not a number must stay so.
    x = torch.where(x >= 1, torch.ones_like(x), x)
    root = torch.sin(0.5 * math.pi * (1 - x))
    return root**2, -math.pi * root * torch.sin(0.5 * math.pi * x)


def smooth_envelope(x: Tensor) -> ValuesAndSlopes:
    """exp(1 - 1 / (1 - x^2)), zero for x >= 1, and its derivative; all derivatives vanish at x = 1 (SpookyNet, Unke et
    al. 2021).

    Evaluated as exp(-x^2 / ((1 - x) (1 + x))).
    """
    x = x.clamp(max=1)
    denominator = (1 - x) * (1 + x)
    is_zero = denominator * _LARGEST_EXPONENT < 1
    # The masked argument keeps all derivatives finite where the result is zero anyway.
    denominator = torch.where(is_zero, torch.ones_like(x), denominator)
    value = torch.where(is_zero, torch.zeros_like(x), torch.exp(-(x**2) / denominator))
    return value, -2 * x / denominator**2 * value
