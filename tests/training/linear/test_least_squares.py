"""Least squares in blocks against NumPy on all rows at once, and the ridge against its normal equations."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.training.linear.least_squares import Equations, solve_ridge

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4000, 6)) * [1, 10, 0.1, 3, 1, 1e-3]
Y = RNG.normal(size=4000) + X @ np.arange(6)


def equations(*sizes: int) -> Equations:
    made, start = Equations(6), 0
    for size in sizes:
        made.add(X[start : start + size], Y[start : start + size])
        start += size
    return made


@pytest.mark.parametrize("sizes", [(4000,), (1, 2, 3997), (700,) * 5, (3,)], ids=str)
def test_loss_is_that_of_the_rows(sizes: tuple[int, ...]) -> None:
    count = sum(sizes)
    several = RNG.normal(size=(6, 3))
    expected = np.square(X[:count] @ several - Y[:count, None]).sum(axis=0)
    np.testing.assert_allclose(equations(*sizes).loss(several), expected, rtol=1e-12)
    np.testing.assert_allclose(equations(*sizes).loss(several[:, 0]), expected[0], rtol=1e-12)


def test_without_a_ridge_it_is_least_squares() -> None:
    (expected, *_) = np.linalg.lstsq(X, Y)
    np.testing.assert_allclose(solve_ridge(equations(900, 3100), np.array([0.0])).coefficients[:, 0], expected)


def test_the_ridge_acts_on_columns_of_unit_norm() -> None:
    ridges = np.array([1e-3, 0.1, 10.0])
    found = solve_ridge(equations(4000), ridges).coefficients
    norms = np.linalg.norm(X, axis=0)
    largest = np.linalg.norm(X / norms, ord=2) ** 2
    for column, ridge in enumerate(ridges):
        expected = np.linalg.solve(X.T @ X + ridge * largest * np.diag(norms**2), X.T @ Y)
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-9)


def test_a_column_of_zeros_has_no_coefficient() -> None:
    made = Equations(3)
    made.add(np.column_stack([X[:, 0], np.zeros(4000), X[:, 1]]), Y)
    found = solve_ridge(made, np.array([0.0])).coefficients[:, 0]
    (expected, *_) = np.linalg.lstsq(X[:, :2], Y)
    np.testing.assert_allclose(found, [expected[0], 0, expected[1]])


@pytest.mark.parametrize("rows", [30, 4])
def test_deviations_are_those_of_the_posterior_covariance(rows: int) -> None:
    """D D^T = variance F s (s X^T X s + ridge sigma^2)^-1 s F^T, also where there are fewer rows than columns."""
    random = np.random.default_rng(3)
    x, functions = random.normal(size=(rows, 6)) * [1, 10, 0.1, 1, 3, 1], random.normal(size=(5, 6))
    equations = Equations(6)
    equations.add(x, random.normal(size=rows))
    ridges = np.array([1e-6, 0.1])
    solutions = solve_ridge(equations, ridges)
    scales = 1 / np.linalg.norm(x, axis=0)
    scaled = x * scales
    sigma = np.linalg.norm(scaled, ord=2)
    for number, ridge in enumerate(ridges):
        inverse = np.linalg.inv(scaled.T @ scaled + ridge * sigma**2 * np.eye(6))
        expected = 0.7 * (functions * scales) @ inverse @ (functions * scales).T
        deviations = solutions.deviations(number, functions, 0.7)
        np.testing.assert_allclose(deviations @ deviations.T, expected, rtol=1e-6, atol=1e-9)
