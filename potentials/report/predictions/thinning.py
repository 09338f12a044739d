"""Selection of plotted points: keeps extreme points and limits the size of a page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from potentials.report.predictions.comparison import Array

Places = NDArray[np.int64]


def thinned_points(label: Array, residual: Array, most: int, seed: int) -> Places:
    """Select at most `most` points, ascending: the largest errors, the extreme labels, and a random sample.

    Args:
        label: [n].
        residual: [n]; values that are not finite count as the largest.
        most: at least 10; half of the points have the largest absolute residuals.
        seed: seed of the random sample.
    """
    if len(label) <= most:
        return np.arange(len(label))
    size = np.where(np.isfinite(residual), np.abs(residual), np.inf)
    certain = np.zeros(len(label), dtype=bool)
    certain[np.argsort(-size, kind="stable")[: most // 2]] = True
    certain[[int(np.argmin(label)), int(np.argmax(label))]] = True
    others = np.random.default_rng(seed).permutation(np.flatnonzero(~certain))[: most - int(certain.sum())]
    return np.sort(np.concatenate([np.flatnonzero(certain), others]))


def thinned_curve(values: Array, most: int) -> Places:
    """Select at most `most` values of a long curve, ascending: minimum and maximum of each interval, and both ends.

    Args:
        values: [n]; NaN is skipped.
        most: at least 4.
    """
    if len(values) <= most:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for stretch in np.array_split(np.arange(len(values)), (most - 2) // 2):
        known = stretch[np.isfinite(values[stretch])]
        if len(known):
            kept |= {int(known[np.argmin(values[known])]), int(known[np.argmax(values[known])])}
    return np.array(sorted(kept), dtype=np.int64)


def density(x: Array, y: Array, cells: int = 70) -> Array:
    """[n], number of points in the same cell of a `cells` by `cells` grid, including the point itself."""
    numbers = [_cell_numbers(values, cells) for values in (x, y)]
    flat = numbers[0] * cells + numbers[1]
    return np.bincount(flat, minlength=cells * cells)[flat].astype(np.float64)


def _cell_numbers(values: Array, cells: int) -> Places:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(len(values), dtype=np.int64)
    return np.minimum((cells * ((values - low) / (high - low))).astype(np.int64), cells - 1)
