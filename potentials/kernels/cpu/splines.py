"""Radial weights as quintic splines of the distance, evaluated on the stack for a few edges at a time."""

from __future__ import annotations

from potentials.kernels.cpu.emitter import Number
from potentials.kernels.cpu.message_emission import Emission, Weights
from potentials.kernels.duals import Dual

_STACK_NUMBERS = 8192


class Splines(Weights):
    """Weights, and their slopes where those are wanted, of the pairs in a few slots.

    A spline is given by its knots: value, first derivative times the spacing, second derivative times the spacing
    squared, for each weight. The grid holds the first knot's distance, the spacing and its inverse.
    """

    def __init__(self, emission: Emission, slots: int, with_slopes: bool = False) -> None:
        super().__init__(emission)
        emitter, table = emission.emitter, emission.table
        self.size = len(table.paths) * emission.channels
        self.values = emitter.stack(slots * self.size)
        self.slopes = emitter.stack(slots * self.size) if with_slopes else None

    @staticmethod
    def slots(emission: Emission, most: int) -> int:
        """How many pairs are kept at a time."""
        return max(2, min(most, _STACK_NUMBERS // (len(emission.table.paths) * emission.channels)))

    def prepare(self, pair: Number, slot: Number) -> None:
        """Evaluate the weights of a pair into a slot."""
        emission, emitter = self.emission, self.emission.emitter
        grid = [emitter.load(emission.addresses["grid"], emitter.whole(entry)) for entry in range(3)]
        interval, t = self._interval(emitter.load(emission.addresses["distances"], pair), grid)
        of_value, of_slope = _hermite(t), [number * grid[2] for number in _hermite_slopes(t)]
        start = interval * (3 * self.size)
        for place, width in emitter.channel_blocks(self.size, emission.lanes):
            knots = [
                emitter.load(emission.addresses["knots"], start + (row * self.size) + place, width) for row in range(6)
            ]
            target = slot * self.size + place
            emitter.store(_combined(of_value, knots), self.values, target)
            if self.slopes is not None:
                emitter.store(_combined(of_slope, knots), self.slopes, target)

    def _interval(self, distance: Number, grid: list[Number]) -> tuple[Number, Number]:
        """Number of the interval, and where in it the distance lies (from 0 to 1); the first and the last one go on."""
        emitter = self.emission.emitter
        position = (distance - grid[0]) * grid[2]
        last = emitter.integer("intervals") + -1
        is_inside = emitter.is_between(position, emitter.scalar(0.0), emitter.as_real(last))
        is_after = emitter.is_between(emitter.as_real(last), emitter.scalar(0.0), position)
        interval = emitter.select(
            is_inside, emitter.as_whole(position), emitter.select(is_after, last, emitter.whole(0))
        )
        return interval, position - emitter.as_real(interval)

    def get(self, pair: Number, slot: Number, path: int, channel: Number, width: int) -> Dual[Number]:
        """Channels of one path's weight, of the pair in a slot."""
        index = slot * self.size + channel + path * self.emission.channels
        return Dual(self.emission.emitter.load(self.values, index, width))

    def slope(self, path: int, channel: Number, width: int) -> Number:
        """Channels of the derivative of one path's weight, of the pair in the first slot."""
        if self.slopes is None:
            raise TypeError("slopes were not asked for")
        return self.emission.emitter.load(self.slopes, channel + path * self.emission.channels, width)


def _combined(factors: list[Number], knots: list[Number]) -> Number:
    total = knots[0] * factors[0]
    for factor, knot in zip(factors[1:], knots[1:], strict=True):
        total = total + knot * factor
    return total


def _hermite(t: Number) -> list[Number]:
    """The quintic polynomials that are 1 in value, slope or curvature at one end and 0 in all else."""
    rows: list[list[float]] = [
        [1, 0, 0, -10, 15, -6],
        [0, 1, 0, -6, 8, -3],
        [0, 0, 0.5, -1.5, 1.5, -0.5],
        [0, 0, 0, 10, -15, 6],
        [0, 0, 0, -4, 7, -3],
        [0, 0, 0, 0.5, -1, 0.5],
    ]
    return [_horner(row, t) for row in rows]


def _hermite_slopes(t: Number) -> list[Number]:
    """Their derivatives."""
    rows: list[list[float]] = [
        [0, 0, -30, 60, -30],
        [1, 0, -18, 32, -15],
        [0, 1, -4.5, 6, -2.5],
        [0, 0, 30, -60, 30],
        [0, 0, -12, 28, -15],
        [0, 0, 1.5, -4, 2.5],
    ]
    return [_horner(row, t) for row in rows]


def _horner(coefficients: list[float], t: Number) -> Number:
    total = t.emitter.scalar(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * t + coefficient
    return total
