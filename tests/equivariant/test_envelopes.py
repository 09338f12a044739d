"""Envelopes against their defining formulas in exact arithmetic, near the cutoff and in single precision too."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from potentials.equivariant import cosine_envelope, polynomial_envelope, smooth_envelope
from potentials.equivariant.envelopes import ValuesAndSlopes, xplor_envelope

DTYPES = [torch.float32, torch.float64]
POWERS = [1, 2, 5, 6, 20, 100]
ENVELOPES: dict[str, Callable[[Tensor], ValuesAndSlopes]] = {
    "polynomial": partial(polynomial_envelope, power=6),
    "polynomial, p = 1": partial(polynomial_envelope, power=1),
    "cosine": cosine_envelope,
    "smooth": smooth_envelope,
    "xplor": partial(xplor_envelope, onset=0.0),
}
ONSETS = [0.0, 0.25, 0.875, 0.984375]


def places(dtype: torch.dtype) -> Tensor:
    """Over the whole range, and close to both ends."""
    close = 10.0 ** torch.arange(-6, 0, 0.25, dtype=torch.float64)
    return torch.cat([torch.linspace(0.01, 0.99, 99, dtype=torch.float64), close, 1 - close]).to(dtype)


def exact_polynomial(x: float, p: int) -> tuple[float, float]:
    """The formula of the paper and its derivative, with rational numbers."""
    r = Fraction(x)
    value = (
        1 - Fraction((p + 1) * (p + 2), 2) * r**p + p * (p + 2) * r ** (p + 1) - Fraction(p * (p + 1), 2) * r ** (p + 2)
    )
    return float(value), float(-Fraction(p * (p + 1) * (p + 2), 2) * r ** (p - 1) * (1 - r) ** 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", POWERS)
def test_polynomial(power: int, dtype: torch.dtype) -> None:
    """Relative to each number: no digits are lost near the cutoff."""
    x = places(dtype)
    expected = np.array([exact_polynomial(number, power) for number in x.tolist()])
    value, slope = polynomial_envelope(x, power)
    bound = (8 + power) * torch.finfo(dtype).eps
    np.testing.assert_allclose(value.double(), expected[:, 0], rtol=bound)
    least = torch.finfo(dtype).tiny / torch.finfo(dtype).eps
    np.testing.assert_allclose(slope.double(), expected[:, 1], rtol=bound, atol=least)


def exact_xplor(x: float, onset: float) -> tuple[float, float]:
    """HOOMD's formula of the squares of the distances, and its derivative, with rational numbers."""
    r, a = Fraction(x), Fraction(onset)
    if r < a:
        return 1.0, 0.0
    width = (1 - a**2) ** 3
    value = (1 - r**2) ** 2 * (1 + 2 * r**2 - 3 * a**2) / width
    return float(value), float(-12 * r * (1 - r**2) * (r**2 - a**2) / width)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("onset", ONSETS)
def test_xplor(onset: float, dtype: torch.dtype) -> None:
    x = torch.cat([places(dtype), torch.linspace(onset, 1, 23, dtype=dtype)[:-1]])
    expected = np.array([exact_xplor(number, onset) for number in x.tolist()])
    value, slope = xplor_envelope(x, onset)
    bound = 16 * torch.finfo(dtype).eps
    np.testing.assert_allclose(value.double(), expected[:, 0], rtol=bound)
    np.testing.assert_allclose(slope.double(), expected[:, 1], rtol=bound, atol=bound / (1 - onset))


@pytest.mark.parametrize("dtype", DTYPES)
def test_cosine(dtype: torch.dtype) -> None:
    x = places(dtype)
    value, slope = cosine_envelope(x)
    bound = 8 * torch.finfo(dtype).eps
    exact = x.double()
    near = torch.sin(math.pi / 2 * (1 - exact))
    np.testing.assert_allclose(value.double(), near**2, rtol=bound)
    np.testing.assert_allclose(value.double(), (1 + torch.cos(math.pi * exact)) / 2, rtol=bound, atol=1e-15)
    np.testing.assert_allclose(slope.double(), -math.pi * near * torch.sin(math.pi / 2 * exact), rtol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
def test_smooth(dtype: torch.dtype) -> None:
    x = places(dtype)
    x = x[x < 0.99]
    value, slope = smooth_envelope(x)
    exact = [Fraction(number) for number in x.tolist()]
    expected = np.array([math.exp(float(1 - 1 / (1 - r**2))) for r in exact])
    slopes = np.array([float(-2 * r / (1 - r**2) ** 2) for r in exact]) * expected
    bound = 100 * torch.finfo(dtype).eps  # of exponents up to 50
    np.testing.assert_allclose(value.double(), expected, rtol=bound)
    np.testing.assert_allclose(slope.double(), slopes, rtol=bound)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ENVELOPES)
def test_never_negative_and_never_rising(name: str, dtype: torch.dtype) -> None:
    """At every one of the last numbers before the cutoff, where the powers cancelled."""
    one = np.ones(1, torch.empty(0, dtype=dtype).numpy().dtype)
    x = torch.from_numpy(np.concatenate([one - k * np.finfo(one.dtype).epsneg for k in range(5000)]).astype(one.dtype))
    value, slope = ENVELOPES[name](torch.cat([x, places(dtype)]))
    assert bool((value >= 0).all())
    assert bool((slope <= 0).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ENVELOPES)
def test_ends(name: str, dtype: torch.dtype) -> None:
    """One at zero; zero at the cutoff and as far beyond it as numbers go; what is not a number stays that."""
    x = torch.tensor([0.0, 1.0, 1.5, 1e30, math.inf, math.nan], dtype=dtype)
    value, slope = ENVELOPES[name](x)
    assert value[:5].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert slope[1:5].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert bool(value[5].isnan())
    assert bool(slope[5].isnan())


@pytest.mark.parametrize("name", ENVELOPES)
def test_derivatives(name: str) -> None:
    """The slope is the derivative of the value, and both can be differentiated again, at the cutoff too."""
    x = torch.linspace(0.02, 0.97, 30, dtype=torch.float64, requires_grad=True)
    value, slope = ENVELOPES[name](x)
    (found,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    torch.testing.assert_close(found, slope, rtol=1e-10, atol=1e-10)
    assert torch.autograd.gradcheck(lambda given: ENVELOPES[name](given)[1], x)
    near = torch.tensor([1 - 1e-3, 1 - 1e-7, 1.0, 1.1], requires_grad=True)
    derivative = ENVELOPES[name](near)[0]
    for _ in range(3):
        (derivative,) = torch.autograd.grad(derivative.sum(), near, create_graph=True)
        assert bool(derivative.isfinite().all())
