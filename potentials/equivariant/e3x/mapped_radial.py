"""Radial functions of E3x: polynomials, Fourier functions and Gaussians of the distance mapped to (0, 1).

Unke and Maennel, "E3x: E(3)-equivariant deep learning made easy", arXiv:2401.07595, and the documentation of the
package. As there, distances in the mappings are in A. Derivatives are in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn

from potentials.equivariant.envelopes import ValuesAndSlopes

FunctionName = Literal["bernstein", "chebyshev", "fourier", "gaussian", "sinc"]
MappingName = Literal[
    "none", "reciprocal", "reciprocal damped", "reciprocal cuspless", "exponential", "exponential cuspless"
]


def reciprocal_mapping(r: Tensor) -> ValuesAndSlopes:
    """Compute 1 / (1 + r) and its derivative."""
    m = 1 / (1 + r)
    return m, -(m**2)


def damped_reciprocal_mapping(r: Tensor) -> ValuesAndSlopes:
    """Compute (1 - e^-r) / r and its derivative."""
    m = -torch.expm1(-r) / r
    return m, (torch.exp(-r) - m) / r


def cuspless_reciprocal_mapping(r: Tensor) -> ValuesAndSlopes:
    """Compute 1 / (r + e^-r), which is flat at 0, and its derivative."""
    m = 1 / (r + torch.exp(-r))
    return m, m**2 * torch.expm1(-r)


class ExponentialMapping(nn.Module):
    """e^(-gamma x) and its derivative, x = r or x = r + e^-r - 1 (flat at 0); gamma = ln(1 + e^p) is positive.

    Args:
        cuspless: use x = r + e^-r - 1.
        trainable: whether p is learned.
        gamma: initial value, 1/A.
    """

    def __init__(self, cuspless: bool, trainable: bool, gamma: float = 1.0) -> None:
        super().__init__()
        self.cuspless = cuspless
        exponent = torch.tensor(math.log(math.expm1(gamma)), dtype=torch.get_default_dtype())
        self.exponent = nn.Parameter(exponent, requires_grad=trainable)

    def forward(self, r: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A to values [W, 1] and derivatives [W, 1]."""
        gamma = nn.functional.softplus(self.exponent)
        x, slope = (r + torch.expm1(-r), -torch.expm1(-r)) if self.cuspless else (r, torch.ones_like(r))
        m = torch.exp(-gamma * x)
        return m, -gamma * m * slope


def bernstein(t: Tensor, size: int) -> ValuesAndSlopes:
    """Compute binomial(n, v) t^v (1 - t)^(n - v), v = 0 to n = size - 1, and derivatives n (B_v-1,n-1 - B_v,n-1)."""
    values = _bernstein(t, size)
    if size == 1:
        return values, torch.zeros_like(values)
    lower = _bernstein(t, size - 1)
    shifted = nn.functional.pad(lower, (1, 0)) - nn.functional.pad(lower, (0, 1))
    return values, (size - 1) * shifted


def _bernstein(t: Tensor, size: int) -> Tensor:
    n = size - 1
    v = torch.arange(size, device=t.device, dtype=t.dtype)
    if size <= _MOST_FACTORS:
        binomials = t.new_tensor([math.comb(n, number) for number in range(size)])
        return binomials * t**v * (1 - t) ** (n - v)
    # Binomials overflow and powers underflow: B_v(t) = B_v(v/n) exp(v ln(t n/v) + (n-v) ln((1-t) n/(n-v))), where
    # the maximum B_v(v/n) is of moderate size, and the exponent is zero there and negative elsewhere.
    peaks, logarithms, rest_logarithms = (t.new_tensor(row) for row in _bernstein_peaks(n))
    low, high = torch.finfo(t.dtype).tiny, 1 - torch.finfo(t.dtype).eps / 2
    log_t = torch.log(t.clamp(min=low, max=1)) - logarithms
    log_rest = torch.log1p(-t.clamp(min=0, max=high)) - rest_logarithms
    return peaks * torch.exp(v * log_t + (n - v) * log_rest)


_MOST_FACTORS = 64
"""Size up to which binomials and powers are well within the range of float32."""


@lru_cache(maxsize=16)
def _bernstein_peaks(n: int) -> tuple[list[float], list[float], list[float]]:
    """Compute B_v(v/n), ln(v/n) and ln((n-v)/n) for v = 0 to n; logarithms that are multiplied by zero are set to 0."""
    logarithms = [math.log(v / n) if v else 0.0 for v in range(n + 1)]
    rest_logarithms = logarithms[::-1]
    peaks = []
    for v in range(n + 1):
        binomial = math.lgamma(n + 1) - math.lgamma(v + 1) - math.lgamma(n - v + 1)
        peaks.append(math.exp(binomial + v * logarithms[v] + (n - v) * rest_logarithms[v]))
    return peaks, logarithms, rest_logarithms


def chebyshev_polynomials(x: Tensor, size: int) -> ValuesAndSlopes:
    """Compute Chebyshev polynomials T_0 to T_{size-1} of x [W, 1] and derivatives n U_{n-1} by recursion."""
    first, second = [torch.ones_like(x), x], [torch.ones_like(x), 2 * x]
    while len(first) < size:
        first.append(2 * x * first[-1] - first[-2])
        second.append(2 * x * second[-1] - second[-2])
    slopes = [torch.zeros_like(x), *(n * second[n - 1] for n in range(1, size))]
    return torch.cat(first[:size], dim=1), torch.cat(slopes, dim=1)


def fourier(t: Tensor, size: int) -> ValuesAndSlopes:
    """Compute cos(k pi t) for k = 0 to size - 1 and the derivatives."""
    frequencies = math.pi * torch.arange(size, device=t.device, dtype=t.dtype)
    return torch.cos(frequencies * t), -frequencies * torch.sin(frequencies * t)


def gaussian(t: Tensor, size: int) -> ValuesAndSlopes:
    """Compute exp(-(size - 1) sqrt(2 size) (t - mu_k)^2), mu_k evenly spaced from 0 to 1, and the derivatives."""
    sharpness = math.sqrt(2 * size) * (size - 1)
    offsets = t - torch.linspace(0, 1, size, device=t.device, dtype=t.dtype)
    values = torch.exp(-sharpness * offsets**2)
    return values, -2 * sharpness * offsets * values


def sinc(t: Tensor, size: int) -> ValuesAndSlopes:
    """Compute sin(k pi t) / (k pi t) for k = 1 to size, zero for t > 1, and the derivatives."""
    phases = math.pi * torch.arange(1, size + 1, device=t.device, dtype=t.dtype) * t
    inside = t <= 1
    values = torch.sin(phases) / phases * inside
    return values, (torch.cos(phases) * inside - values) / t


_FUNCTIONS: dict[str, Callable[[Tensor, int], ValuesAndSlopes]] = {
    "bernstein": bernstein,
    "chebyshev": chebyshev_polynomials,
    "fourier": fourier,
    "gaussian": gaussian,
    "sinc": sinc,
}


def _mapping(name: MappingName, trainable: bool) -> Callable[[Tensor], ValuesAndSlopes]:
    if name.startswith("exponential"):
        return ExponentialMapping(name.endswith("cuspless"), trainable)
    return {
        "reciprocal": reciprocal_mapping,
        "reciprocal damped": damped_reciprocal_mapping,
        "reciprocal cuspless": cuspless_reciprocal_mapping,
    }[name]


class MappedBasis(nn.Module):
    """Radial functions of t = 1 - m(r) with a mapping m of (0, inf) A to (1, 0), or of t = r / r_c without mapping.

    Chebyshev polynomials are functions of 2 m - 1, or of 2 t - 1 without mapping.

    Args:
        functions: kind of functions.
        mapping: m, or none.
        size: number of functions.
        cutoff: r_c, A.
        trainable: whether gamma of an exponential mapping is learned.
    """

    def __init__(
        self, functions: FunctionName, mapping: MappingName, size: int, cutoff: float, trainable: bool = False
    ) -> None:
        super().__init__()
        self.functions = _FUNCTIONS[functions]
        self.size, self.cutoff = size, cutoff
        self.mapping = None if mapping == "none" else _mapping(mapping, trainable)
        self.polynomial_argument = functions == "chebyshev"

    def forward(self, distances: Tensor) -> ValuesAndSlopes:
        """Map distances [W, 1] in A to functions [W, size] and derivatives [W, size] in 1/A."""
        if self.mapping is None:
            t, slope = distances / self.cutoff, torch.full_like(distances, 1 / self.cutoff)
        else:
            m, slope = self.mapping(distances)
            t, slope = (m, slope) if self.polynomial_argument else (1 - m, -slope)
        if self.polynomial_argument:
            t, slope = 2 * t - 1, 2 * slope
        values, slopes = self.functions(t, self.size)
        return values, slopes * slope
