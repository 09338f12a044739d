"""Numbers on their way into a page."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def compact(values: ArrayLike) -> list[float]:
    """All entries in order, with four digits each: a picture needs no more, and pages stay small."""
    return [float(f"{value:.4g}") for value in np.asarray(values, dtype=np.float64).ravel()]


def plain(value: float) -> str:
    """A small number with two digits."""
    return f"{value:.2g}"
