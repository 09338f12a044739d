"""Radial weights as quintic splines of the distance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class RadialSplines(NamedTuple):
    """Functions of the distance as quintic polynomials in evenly spaced intervals; the first and last extrapolate.

    f(r) = sum_k c_k t^k with t = (r - start) / step - interval. Unlike combinations of values and derivatives at the
    knots, these polynomials lose no digits of the slope to cancellation.
    """

    coefficients: Tensor
    """[K, 6, F]: c_0 to c_5 of each interval."""
    start: float
    """Start of the first interval, A."""
    step: float
    """Width of an interval, A."""

    @classmethod
    def from_knots(cls, first: Tensor, last: Tensor, start: float, step: float) -> RadialSplines:
        """Interpolate given values and derivatives at both ends of each interval.

        Args:
            first: value, first derivative times the step, second derivative times the step squared at the start of each
                interval [K, 3, F].
            last: the same at the end of each interval; the second derivative may differ from that of the next interval.
            start: distance of the first knot, A.
            step: spacing of the knots, A.
        """
        value, slope, bend = first.unbind(1)
        next_value, next_slope, next_bend = last.unbind(1)
        rise = next_value - value
        coefficients = [
            value,
            slope,
            0.5 * bend,
            10 * rise - 6 * slope - 4 * next_slope - 1.5 * bend + 0.5 * next_bend,
            -15 * rise + 8 * slope + 7 * next_slope + 1.5 * bend - next_bend,
            6 * rise - 3 * slope - 3 * next_slope - 0.5 * bend + 0.5 * next_bend,
        ]
        return cls(torch.stack(coefficients, dim=1), start, step)


def evaluate_splines(splines: RadialSplines, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate values and derivatives [W, F] at distances [W, 1], A."""
    # In float64: the position of a distant knot leaves few digits of float32 for the position within the interval.
    position = (distances.squeeze(1).to(torch.float64) - splines.start) / splines.step
    # NaN must not become an index.
    interval = torch.nan_to_num(position.floor(), nan=0.0).clamp(0, splines.coefficients.shape[0] - 1)
    t = (position - interval).to(distances.dtype).unsqueeze(1)
    coefficients = splines.coefficients[interval.to(torch.int64)]
    values, slopes = coefficients[:, 5], torch.zeros_like(coefficients[:, 5])
    for power in range(4, -1, -1):
        slopes = slopes * t + values
        values = values * t + coefficients[:, power]
    return values, slopes / splines.step
