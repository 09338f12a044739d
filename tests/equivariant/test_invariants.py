"""Invariant products: how many there are (by characters), that they are invariant, independent, and their values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from e3nn import o3

from potentials.equivariant.invariants import Factor, Invariant, InvariantProducts, invariants

DEGREES = 3


def everything(channels: list[int], order: int) -> list[Invariant]:
    """All products of features with so many channels of degree 0, 1, ..."""
    factors = [Factor(degree, channel) for degree, count in enumerate(channels) for channel in range(count)]
    return list(invariants(factors, order, lambda product: True))


def number_of_invariants(channels: list[int], order: int) -> int:
    """Dimension of the invariants in the symmetric power of the features, by integrating its character over O(3)."""
    angles, weights = np.polynomial.legendre.leggauss(200)
    angles, weights = 0.5 * np.pi * (angles + 1), 0.5 * np.pi * weights
    measure = weights * (1 - np.cos(angles)) / np.pi

    def character(power: int, inversion: int) -> np.ndarray:
        """Of the power of a rotation, with or without the inversion."""
        total = np.zeros_like(angles)
        for degree, count in enumerate(channels):
            cosines = sum(np.cos(m * power * angles) for m in range(1, degree + 1))
            total += count * inversion ** (power * degree) * (1 + 2 * cosines)
        return total

    def symmetric(n: int, inversion: int) -> np.ndarray:
        if n == 0:
            return np.ones_like(angles)
        return sum(character(k, inversion) * symmetric(n - k, inversion) for k in range(1, n + 1)) / n

    mean = 0.5 * sum((measure * symmetric(order, inversion)).sum() for inversion in (1, -1))
    assert abs(mean - round(mean)) < 1e-8
    return round(mean)


def features(channels: list[int], rows: int, seed: int = 0) -> torch.Tensor:
    size = max(channels)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, len(channels) ** 2, size, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [[3], [2, 2], [1, 0, 2], [2, 1, 1], [1, 2, 1, 1], [0, 0, 0, 0, 1]], ids=str)
def test_all_invariants_and_no_more(channels: list[int], order: int) -> None:
    products = everything(channels, order)
    assert len(products) == number_of_invariants(channels, order)
    if not products:
        return
    with torch.no_grad():
        values = InvariantProducts(products).double()(features(channels, 3 * len(products) + 5))
    spectrum = np.linalg.svd((values / values.norm(dim=0)).numpy(), compute_uv=False)
    assert spectrum[-1] > 1e-5 * spectrum[0]


def test_rotations_and_inversion_change_nothing() -> None:
    channels = [2, 2, 1, 1]
    products = [product for order in (1, 2, 3, 4) for product in everything(channels, order)]
    assert {len(product.factors) for product in products} == {1, 2, 3, 4}
    evaluate = InvariantProducts(products).double()
    A = features(channels, 4)
    angles = o3.rand_angles()
    rotation = torch.block_diag(
        *(o3.wigner_D(degree, *(a.double() for a in angles)) for degree in range(len(channels)))
    )
    parity = torch.tensor([(-1.0) ** degree for degree in range(len(channels)) for _ in range(2 * degree + 1)])
    expected = evaluate(A)
    for changed in (torch.einsum("ab,nbc->nac", rotation, A), A * parity[:, None].double()):
        torch.testing.assert_close(evaluate(changed), expected, rtol=1e-10, atol=1e-10)


def test_values_are_those_of_the_coupled_products() -> None:
    """Term by term with e3nn's 3j symbols."""
    channels = [2, 2, 2]
    A = features(channels, 1)[0].numpy()

    def block(factor: Factor) -> np.ndarray:
        return A[factor.degree**2 : (factor.degree + 1) ** 2, factor.channel]

    def coupled(a: Factor, b: Factor, degree: int) -> np.ndarray:
        table = o3.wigner_3j(a.degree, b.degree, degree, dtype=torch.float64).numpy() * math.sqrt(2 * degree + 1)
        x, y, out = block(a), block(b), np.zeros(2 * degree + 1)
        for i, j, m in itertools.product(*(range(n) for n in table.shape)):
            out[m] += table[i, j, m] * x[i] * y[j]
        return out

    for order in (1, 2, 3, 4):
        products = everything(channels, order)
        found = InvariantProducts(products).double()(torch.tensor(A)[None])[0]
        for (factors, degree), value in zip(products, found, strict=True):
            if order == 1:
                expected = block(factors[0])[0]
            elif order == 2:
                expected = coupled(factors[0], factors[1], 0)[0]
                # The sign of the 3j symbol with degree 0 is a convention; ours is a plain scalar product.
                assert abs(expected) == pytest.approx(abs(float(value)), rel=1e-12)
                expected = block(factors[0]) @ block(factors[1]) / math.sqrt(2 * factors[0].degree + 1)
            else:
                rest = coupled(factors[2], factors[3], degree) if order == 4 else block(factors[2])
                expected = coupled(factors[0], factors[1], degree) @ rest / math.sqrt(2 * degree + 1)
            assert float(value) == pytest.approx(expected, rel=1e-11, abs=1e-12)


def test_what_is_not_allowed_is_left_out() -> None:
    factors = [Factor(degree, channel) for degree in range(3) for channel in range(3)]

    def cheap(product: tuple[Factor, ...]) -> bool:
        return sum(factor.degree + factor.channel for factor in product) <= 3

    found = set(invariants(factors, 3, cheap))
    assert found == {product for product in invariants(factors, 3, lambda _: True) if cheap(product.factors)}


@pytest.mark.parametrize("order", [0, 5])
def test_number_of_factors(order: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to 4 factors, got {order}"):
        everything([1], order)
