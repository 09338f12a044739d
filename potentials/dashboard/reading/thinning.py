"""Reduction of curves of any length to about a thousand points, with all spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

MOST_BUCKETS = 1024
"""Largest number of buckets of a curve; with more rows than that, there are between half as many and this many."""


@dataclass
class _Extremes:
    """The smallest or largest value of each bucket and column, and its position."""

    values: Numbers
    """[buckets, columns]; infinite if a bucket has no number."""
    rows: NDArray[np.int64]
    """[buckets, columns], row indices."""
    places: Numbers
    """[buckets, columns, axes], positions on the axes."""

    def __getitem__(self, which: slice | int) -> _Extremes:
        return _Extremes(self.values[which], self.rows[which], self.places[which])

    def replaced_by(self, other: _Extremes, where: NDArray[np.bool_]) -> _Extremes:
        return _Extremes(
            np.where(where, other.values, self.values),
            np.where(where, other.rows, self.rows),
            np.where(where[..., None], other.places, self.places),
        )

    def joined(self, other: _Extremes) -> _Extremes:
        return _Extremes(
            np.concatenate([self.values, other.values]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.places, other.places]),
        )


class ThinnedCurves:
    """Keeps the smallest and the largest value of each bucket of rows with their positions, for many columns at once.

    Buckets have equal sizes, a power of two that is doubled whenever there are more than `MOST_BUCKETS`. The memory is
    therefore independent of the number of rows, and no spike is lost, in whatever blocks rows are added.

    Args:
        axes: number of axes for which positions are kept.
        columns: number of columns.
    """

    def __init__(self, axes: int, columns: int) -> None:
        self.size = 1
        """Rows per bucket."""
        self.rows = 0
        """Number of rows so far."""
        self._low, self._high = (
            _Extremes(np.empty((0, columns)), np.empty((0, columns), np.int64), np.empty((0, columns, axes)))
            for _ in range(2)
        )

    @property
    def points_of_bucket(self) -> int:
        """Number of points per bucket."""
        return 1 if self.size == 1 else 2

    def append(self, places: Numbers, values: Numbers) -> None:
        """Append rows.

        Args:
            places: [rows, axes], positions on the axes.
            values: [rows, columns]; values that are not finite count as missing.
        """
        if not len(values):
            return
        while -(-(self.rows + len(values)) // self.size) > MOST_BUCKETS:
            self._double()
        self._low = self._added(self._low, places, values, 1.0)
        self._high = self._added(self._high, places, values, -1.0)
        self.rows += len(values)

    def points(self, column: int, axis: int, first: int = 0) -> tuple[Numbers, Numbers]:
        """Return positions on an axis and values of a curve from bucket `first` on, in row order, NaN if missing."""
        low, high = self._low[first:], self._high[first:]
        ends = (low, high) if self.size > 1 else (low,)
        order = np.argsort(np.stack([end.rows[:, column] for end in ends], axis=1), axis=1, kind="stable")
        values = np.take_along_axis(np.stack([end.values[:, column] for end in ends], axis=1), order, axis=1)
        places = np.take_along_axis(np.stack([end.places[:, column, axis] for end in ends], axis=1), order, axis=1)
        return places.ravel(), np.where(np.isfinite(values), values, np.nan).ravel()

    def has_values(self, column: int) -> bool:
        """Return whether a column has any number."""
        return bool(np.isfinite(self._low.values[:, column]).any())

    def _added(self, kept: _Extremes, places: Numbers, values: Numbers, sign: float) -> _Extremes:
        """Return the smallest values (of `sign` times the values) of the buckets, including further rows."""
        begun = self.rows % self.size
        new = _extremes(places, np.where(np.isfinite(values), values, sign * np.inf), self.size, begun, sign)
        new.rows += self.rows - begun
        if begun:
            better = sign * new.values[:1] < sign * kept.values[-1:]
            new = kept[-1:].replaced_by(new[:1], better).joined(new[1:])
            kept = kept[:-1]
        return kept.joined(new)

    def _double(self) -> None:
        self.size *= 2
        for name, sign in (("_low", 1.0), ("_high", -1.0)):
            all_buckets: _Extremes = getattr(self, name)
            first, second = all_buckets[0::2], all_buckets[1::2]
            paired = len(second.values)
            better = sign * second.values < sign * first.values[:paired]
            setattr(self, name, first[:paired].replaced_by(second, better).joined(first[paired:]))


def _extremes(places: Numbers, values: Numbers, size: int, begun: int, sign: float) -> _Extremes:
    """Return the smallest of `sign` times the values in each bucket; the first bucket already has `begun` rows."""
    rows, columns = values.shape
    buckets = -(-(begun + rows) // size)
    padded = np.full((buckets * size, columns), sign * np.inf)
    padded[begun : begun + rows] = values
    chosen = (sign * padded).reshape(buckets, size, columns).argmin(axis=1) + size * np.arange(buckets)[:, None]
    within = np.clip(chosen - begun, 0, rows - 1)
    return _Extremes(np.take_along_axis(padded, chosen, axis=0), chosen, places[within])
