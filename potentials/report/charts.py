"""Common functions of the plots of several sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from plotly.graph_objects import Figure

from potentials.pages import palette
from potentials.report.predictions.comparison import Array

_DECADES = 4
"""Largest number of decades of a logarithmic axis."""


def split_colors(names: Sequence[str]) -> dict[str, str]:
    """Return a color for each split, the same in all plots."""
    return {name: palette.SERIES[place % len(palette.SERIES)] for place, name in enumerate(names)}


def lowest_shown(values: Array, decades: float = _DECADES) -> float:
    """Return the lower end of a logarithmic axis: the smallest positive value, at most `decades` below the largest."""
    positive = values[np.isfinite(values) & (values > 0)]
    return float(max(positive.min(), positive.max() / 10**decades)) if len(positive) else 1.0


def log_axis(values: Array) -> dict[str, Any]:
    """Return a logarithmic axis with ticks at 1, 2 and 5 of each decade, or at decades if there are many."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return {"type": "log"}
    low, high = np.log10(lowest_shown(values)), np.log10(positive.max())
    margin = 0.06 * (high - low) + 0.03
    ticks = {"dtick": "D2", "minorloglabels": "complete"} if high - low < 2.2 else {"dtick": 1}
    return {"type": "log", "range": [low - margin, high + margin], **ticks}


def make_logarithmic(figure: Figure, axes: str = "y") -> None:
    """Set logarithmic axes (`x`, `y` or `xy`) that show all traces of a figure, which hold numbers."""
    for axis in axes:
        values = [np.asarray(getattr(trace, axis), dtype=np.float64) for trace in figure.data]
        known = log_axis(np.concatenate(values) if values else np.array([]))
        (figure.update_xaxes if axis == "x" else figure.update_yaxes)(known)


def short(values: Array) -> np.ndarray:
    """Convert to single precision, which is sufficient for plots and needs half the space."""
    return np.asarray(values).astype(np.float32)
