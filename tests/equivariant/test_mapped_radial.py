"""Slopes of the mapped radial functions against automatic differentiation and finite differences, and their closed
forms at a few sizes; the values are compared with the published package in `tests/interop/test_e3x.py`."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy.interpolate import BPoly
from scipy.stats import binom

from potentials.equivariant.e3x.mapped_radial import FunctionName, MappedBasis, MappingName, bernstein
from potentials.models.e3x import E3xRadialConfig
from potentials.models.radial import RadialBasis

CUTOFF = 4.0
R = torch.linspace(0.05, 3.95, 30, dtype=torch.float64).unsqueeze(1)
KINDS = [
    (functions, mapping)
    for functions in get_args(FunctionName)
    for mapping in get_args(MappingName)
    if functions != "sinc" or mapping == "none"
]


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize(("functions", "mapping"), KINDS)
def test_slopes_and_curvatures(functions: Any, mapping: Any, size: int) -> None:
    """Slopes are derivatives of the values, and differentiable themselves: Hessians need that."""
    basis = MappedBasis(functions, mapping, size, CUTOFF)
    r = R.clone().requires_grad_()
    values, slopes = basis(r)
    assert values.shape == slopes.shape == (30, size)
    for function in range(size):
        if values.requires_grad:
            (expected,) = torch.autograd.grad(values[:, function].sum(), r, retain_graph=True, materialize_grads=True)
            torch.testing.assert_close(slopes[:, function], expected[:, 0], rtol=1e-10, atol=1e-10)
    step = 1e-5
    with torch.no_grad():
        ahead, behind = basis(R + step), basis(R - step)
        numerical = (ahead[0] - behind[0]) / (2 * step)
        torch.testing.assert_close(slopes.detach(), numerical, rtol=1e-7, atol=1e-7)
        curvature = (ahead[1] - behind[1]) / (2 * step)
    found = torch.zeros_like(values)
    for function in range(size):
        if slopes.requires_grad:
            (by_r,) = torch.autograd.grad(slopes[:, function].sum(), r, retain_graph=True, materialize_grads=True)
            found[:, function] = by_r[:, 0]
    torch.testing.assert_close(found.detach(), curvature, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 16])
def test_bernstein_polynomials_are_those_of_scipy(size: int) -> None:
    values, _ = MappedBasis("bernstein", "none", size, CUTOFF)(R)
    expected = BPoly(np.eye(size)[:, None, :], [0, 1])(R[:, 0].numpy() / CUTOFF)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(values.sum(dim=1), torch.ones(30), rtol=1e-13, atol=0)


def test_gamma_is_learned() -> None:
    config = E3xRadialConfig(mapping="exponential", trainable=True, size=3)
    functions = MappedBasis(config.basis, config.mapping, config.size, CUTOFF, config.trainable)
    basis = RadialBasis(config, CUTOFF, ["H"], basis=functions)
    species = torch.zeros(30, dtype=torch.int64)
    (parameter,) = (p for p in basis.parameters() if p.requires_grad)
    # The sum of all is the envelope, whatever gamma is.
    basis(R, species, species).values[:, 0].sum().backward()
    assert abs(parameter.grad) > 1e-3
    fixed = MappedBasis("bernstein", "exponential", 3, CUTOFF)
    assert not any(p.requires_grad for p in fixed.parameters())
    t = torch.exp(-R)
    torch.testing.assert_close(fixed(R)[0].detach(), torch.cat([t**2, 2 * t * (1 - t), (1 - t) ** 2], dim=1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [64, 65, 140, 300, 1200])
def test_bernstein_polynomials_of_any_size(size: int, dtype: torch.dtype) -> None:
    """Binomials beyond 1e38 and powers below 1e-38: values against the binomial distribution, at the ends too."""
    t = torch.cat([torch.linspace(0, 1, 41, dtype=dtype), torch.tensor([1e-6, 1 - 1e-6], dtype=dtype)])
    values, slopes = bernstein(t.unsqueeze(1), size)
    v = np.arange(size)
    expected, lower = (
        np.where((v >= shift) & (v <= n + shift), binom.pmf(v - shift, n, t.double().numpy()[:, None]), 0.0)
        for n, shift in ((size - 1, 0), (size - 2, 1))
    )
    lower = lower - binom.pmf(v, size - 2, t.double().numpy()[:, None])
    bound = 4 * size * torch.finfo(dtype).eps
    np.testing.assert_allclose(values.double(), expected, rtol=0, atol=bound)
    np.testing.assert_allclose(slopes.double() / (size - 1), lower, rtol=0, atol=bound)
    beyond, _ = bernstein(torch.tensor([[1.0001], [np.nan]], dtype=dtype), size)
    assert bool(beyond[0].isfinite().all())
    assert bool(beyond[1].isnan().all())
