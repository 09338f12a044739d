"""Comparison of two learning curves in pairs with the same seed: ratios of errors and difference of slopes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from potentials.studies.curves import CONFIDENCE
from potentials.studies.results import RunResult
from potentials.studies.study import Metric


@dataclass(frozen=True)
class Comparison:
    """A comparison of two variants; runs of the same seed use the same frames and form pairs."""

    first: str
    second: str
    ratios: dict[int, float]
    """Error of the second over that of the first by number of frames, geometric means over the seeds."""
    difference: float
    """Exponent of the second minus that of the first, mean over the seeds; negative if the second improves faster with
    more data."""
    low: float
    """Lower end of its 95 % confidence interval (Student's t of the seeds); NaN for one seed."""
    high: float

    @property
    def interval(self) -> str:
        """The difference with its interval, as text."""
        if math.isnan(self.low):
            return f"{self.difference:+.2f}, one seed"
        return f"{self.difference:+.2f} ({self.low:+.2f} to {self.high:+.2f})"

    @property
    def verdict(self) -> str:
        """The result in words; `not significant` if the interval contains zero."""
        if not (self.low > 0 or self.high < 0):
            return "not significant"
        return "steeper" if self.difference < 0 else "flatter"


def compare(first: str, second: str, results: Sequence[RunResult], metric: Metric) -> Comparison | None:
    """Compare two variants at the sizes that both have finished for a seed; None if no seed has three such sizes."""
    errors = {(r.run.variant, r.run.seed, r.run.size): r.errors[metric] for r in results if metric in r.errors}
    seeds = sorted({seed for variant, seed, _ in errors if variant == first})
    ratios: dict[int, list[float]] = {}
    differences = []
    for seed in seeds:
        sizes = sorted(s for v, k, s in errors if v == first and k == seed and (second, seed, s) in errors)
        logarithms = np.log([errors[second, seed, size] / errors[first, seed, size] for size in sizes])
        for size, logarithm in zip(sizes, logarithms, strict=True):
            ratios.setdefault(size, []).append(float(logarithm))
        if len(sizes) >= 3:
            # The slope of the ratio is the difference of the slopes.
            differences.append(float(stats.linregress(np.log(sizes), logarithms).slope))
    if not differences:
        return None
    mean, half = float(np.mean(differences)), float("nan")
    if len(differences) > 1:
        spread = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
        half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(differences) - 1)) * spread
    means = {size: float(np.exp(np.mean(logarithms))) for size, logarithms in sorted(ratios.items())}
    return Comparison(first, second, means, mean, mean - half, mean + half)
