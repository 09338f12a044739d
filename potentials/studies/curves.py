"""Power laws: errors as functions of the number of training frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PowerLaw:
    """error = factor * size^exponent, fitted by least squares to the logarithms of the mean at each size."""

    factor: float
    exponent: float
    low: float
    """Lower end of the exponent's 95 % confidence interval (Student's t of the residuals; as many degrees of freedom
    as sizes minus two)."""
    high: float

    def at(self, size: float) -> float:
        """Evaluate the error for a number of frames."""
        return self.factor * size**self.exponent

    @property
    def gain(self) -> float:
        """Factor by which the error decreases when the data are doubled."""
        return float(2**-self.exponent)

    @property
    def gain_interval(self) -> tuple[float, float]:
        """Confidence interval of `gain`."""
        return float(2**-self.high), float(2**-self.low)


def fit_power_law(sizes: Sequence[float], errors: Sequence[float]) -> PowerLaw | None:
    """Fit a power law to the geometric mean over the points of each size.

    Deviations from a power law are common to all points of one size, so these are not independent: an interval from
    all of them would be too narrow.

    Args:
        sizes: number of training frames of each point.
        errors: error of each point, positive.

    Returns:
        The power law; None for fewer than three sizes.
    """
    different = np.unique(sizes)
    if len(different) < 3:
        return None
    logarithms = np.log(errors)
    x, y = np.log(different), np.array([logarithms[np.equal(sizes, size)].mean() for size in different])
    found = stats.linregress(x, y)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(x) - 2) * found.stderr)
    exponent = float(found.slope)
    return PowerLaw(math.exp(float(found.intercept)), exponent, exponent - half, exponent + half)
