"""Formatting of numbers on a page."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def compact(values: ArrayLike) -> list[float]:
    """Return all entries in order with four digits each, which suffices for plots and keeps pages small."""
    return [float(f"{value:.4g}") for value in np.asarray(values, dtype=np.float64).ravel()]


def plain(value: float) -> str:
    """Format a small number with two digits."""
    return f"{value:.2g}"
