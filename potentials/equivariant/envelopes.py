"""Envelopes (cutoff functions), which are smoothly zero at the cutoff, and their derivatives in closed form.

They are evaluated without cancellation, so that values and derivatives keep their relative precision up to the cutoff,
also in float32, and values are never negative. NaN gives NaN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

ValuesAndSlopes = tuple[Tensor, Tensor]
"""Functions of the distance and their derivatives."""

_LARGEST_EXPONENT = 800.0
"""exp(-800) is zero in float64."""


def polynomial_envelope(x: Tensor, power: int) -> ValuesAndSlopes:
    """Compute the polynomial envelope 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), zero for x >= 1.

    The derivative is -p(p+1)(p+2)/2 x^(p-1) (1 - x)^2. Value, first and second derivative vanish at x = 1. Gasteiger et
    al., "Directional message passing" (2020), eq. 8. Evaluated as (1 - x)^3 sum_{k<p} (k+1)(k+2)/2 x^k, whose terms are
    all positive, because the powers cancel near x = 1.

    Args:
        x: distance divided by the cutoff, any shape.
        power: p.

    Returns:
        Values and derivatives with respect to x, in the shape of x.
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
    """Compute the cosine envelope (1 + cos(pi x)) / 2, zero for x >= 1, and its derivative (Behler 2011).

    The second derivative is discontinuous at x = 1. Evaluated as sin^2(pi (1 - x) / 2) and
    -pi sin(pi (1 - x) / 2) sin(pi x / 2).

    Args:
        x: distance divided by the cutoff, any shape.

    Returns:
        Values and derivatives with respect to x, in the shape of x.
    """
    # Not a clamp: the derivative at x = 1 must be the one from inside, and NaN must stay NaN.
    x = torch.where(x >= 1, torch.ones_like(x), x)
    root = torch.sin(0.5 * math.pi * (1 - x))
    return root**2, -math.pi * root * torch.sin(0.5 * math.pi * x)


def xplor_envelope(x: Tensor, onset: float) -> ValuesAndSlopes:
    """Compute the XPLOR envelope: 1 up to x = a, then (1 - x^2)^2 (1 + 2 x^2 - 3 a^2) / (1 - a^2)^3, zero for x >= 1.

    The derivative is -12 x (1 - x^2) (x^2 - a^2) / (1 - a^2)^3; the second derivative is discontinuous at a and 1. The
    switching function of CHARMM and X-PLOR (Brooks et al. 1983), which SevenNet uses.

    Args:
        x: distance divided by the cutoff, any shape.
        onset: a, 0 <= a < 1.

    Returns:
        Values and derivatives with respect to x, in the shape of x.
    """
    # Not a clamp: derivatives at the ends must be those from inside, and NaN must stay NaN.
    x = torch.where(x >= 1, torch.ones_like(x), x)
    is_flat = x < onset
    to_cutoff, from_onset = (1 - x) * (1 + x), (x - onset) * (x + onset)
    width = (1 - onset) * (1 + onset)
    # 1 + 2 x^2 - 3 a^2 = (1 - a^2) + 2 (x^2 - a^2): both terms are positive.
    value = to_cutoff**2 * (width + 2 * from_onset) / width**3
    slope = x * to_cutoff * from_onset * (-12 / width**3)
    return torch.where(is_flat, torch.ones_like(x), value), torch.where(is_flat, torch.zeros_like(x), slope)


def smooth_envelope(x: Tensor) -> ValuesAndSlopes:
    """Compute the envelope exp(1 - 1 / (1 - x^2)), zero for x >= 1, and its derivative.

    All derivatives vanish at x = 1 (SpookyNet, Unke et al. 2021). Evaluated as exp(-x^2 / ((1 - x) (1 + x))).

    Args:
        x: distance divided by the cutoff, any shape.

    Returns:
        Values and derivatives with respect to x, in the shape of x.
    """
    x = x.clamp(max=1)
    denominator = (1 - x) * (1 + x)
    is_zero = denominator * _LARGEST_EXPONENT < 1
    # Masking the argument keeps all derivatives finite where the result is zero.
    denominator = torch.where(is_zero, torch.ones_like(x), denominator)
    value = torch.where(is_zero, torch.zeros_like(x), torch.exp(-(x**2) / denominator))
    return value, -2 * x / denominator**2 * value
