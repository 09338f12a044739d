"""Which of many points are drawn, so that a page stays small and shows what is extreme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from potentials.report.predictions.comparison import Array

Places = NDArray[np.int64]


def thinned_points(label: Array, residual: Array, most: int, seed: int) -> Places:
    """Places of at most `most` points, ascending: the largest errors, the ends of the labels, and a random choice.

    Args:
        label: [n].
        residual: [n]; what is not finite counts as the largest.
        most: at least 10. Half of them are those of the largest absolute residuals.
        seed: of the random choice.
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
    """Places of at most `most` values of a long curve, ascending: lowest and highest of each stretch, and both ends.

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
    """[n], how many points are in the same cell, the point included, of a grid of `cells` by `cells` over them all."""
    numbers = [_cell_numbers(values, cells) for values in (x, y)]
    flat = numbers[0] * cells + numbers[1]
    return np.bincount(flat, minlength=cells * cells)[flat].astype(np.float64)


def _cell_numbers(values: Array, cells: int) -> Places:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(len(values), dtype=np.int64)
    return np.minimum((cells * ((values - low) / (high - low))).astype(np.int64), cells - 1)
