"""Regularized linear least squares for rows added in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Array = NDArray[np.float64]


class Equations:
    """Rows of X c = y, stored as the triangular factor of [X y].

    The factor has the same |X c - y|^2 for every c, up to rounding. Its memory is independent of the number of rows.

    Args:
        columns: number of columns of X.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._factor = np.zeros((0, columns + 1))
        self._waiting: list[Array] = []
        self._rows = 0

    def add(self, rows: Array, targets: Array) -> None:
        """Add rows [m, columns] and their targets [m]."""
        self._waiting.append(np.column_stack([rows, targets]))
        self._rows += len(rows)
        if self._rows > 2 * self.columns + 1000:
            self._reduce()

    def factor(self) -> Array:
        """Return R of the QR decomposition of all rows [X y], at most columns + 1 rows."""
        if self._waiting:
            self._reduce()
        return self._factor

    def loss(self, coefficients: Array) -> Array:
        """Return |X c - y|^2 for c [columns], or for each column of c [columns, n]."""
        factor = self.factor()
        targets = factor[:, -1] if coefficients.ndim == 1 else factor[:, -1:]
        return np.square(factor[:, :-1] @ coefficients - targets).sum(axis=0)

    def _reduce(self) -> None:
        stacked = np.concatenate([self._factor, *self._waiting])
        (self._factor,) = linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
        self._factor = self._factor[: self.columns + 1]
        self._waiting, self._rows = [], 0


@dataclass(frozen=True)
class RidgeSolutions:
    """Solutions of min |X c - y|^2 + ridge * sigma^2 |c / s|^2 for several ridge parameters.

    s are factors that scale the columns to unit norm, sigma is the largest singular value of X s. A column of zeros has
    a coefficient of zero.
    """

    ridges: Array
    """[n], the ridge parameters."""
    coefficients: Array
    """[columns, n], one solution per column."""
    scales: Array
    """[columns], the factors s."""
    singular_values: Array
    """[k], singular values of X s in descending order."""
    directions: Array
    """[k, columns], right singular vectors of X s."""

    def deviations(self, number: int, rows: Array, variance: float) -> Array:
        """Compute the uncertainty of linear functions of the coefficients by the posterior of the ridge regression.

        With noise of this variance in y, C = variance s (s X^T X s + ridge sigma^2)^-1 s, the covariance of the
        coefficients for the Gaussian prior that corresponds to the ridge; in directions without data the prior
        covariance remains.

        Args:
            number: index of the solution.
            rows: [m, columns], coefficients of the linear functions.
            variance: noise variance of y.

        Returns:
            D [m, k + columns or k] with D D^T = rows C rows^T.
        """
        ridge = self.ridges[number] * self.singular_values[0] ** 2
        scaled = rows * self.scales
        known = scaled @ self.directions.T
        found = [known / np.sqrt(self.singular_values**2 + ridge)]
        if len(self.singular_values) < len(self.scales):
            found.append((scaled - known @ self.directions) / np.sqrt(ridge))
        return np.sqrt(variance) * np.concatenate(found, axis=1)


def solve_ridge(equations: Equations, ridges: Array) -> RidgeSolutions:
    """Solve for all ridge parameters with one singular value decomposition."""
    factor = equations.factor()
    rows, targets = factor[:, :-1], factor[:, -1]
    norms = np.linalg.norm(rows, axis=0)
    scales = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    u, sigma, vt = linalg.svd(rows * scales, full_matrices=False, check_finite=False)
    denominators = sigma[:, None] ** 2 + ridges * sigma[0] ** 2
    filters = np.divide(sigma[:, None], denominators, out=np.zeros_like(denominators), where=denominators > 0)
    coefficients = scales[:, None] * (vt.T @ (filters * (u.T @ targets)[:, None]))
    return RidgeSolutions(ridges, coefficients, scales, sigma, vt)
