"""Radial weights as quintic splines of the distance, evaluated on the stack for a few edges at a time."""

from __future__ import annotations

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.llvm.emitter import Number
from potentials.kernels.codegen.llvm.functions import multiply_add
from potentials.kernels.message_passing.cpu_code.emission import Emission, Weights

_STACK_NUMBERS = 8192


class Splines(Weights):
    """Weights, and optionally their derivatives, of the pairs in a few slots.

    Each weight is given by the coefficients of its polynomials. The grid consists of the start of the first interval,
    the width of an interval and its inverse.
    """

    def __init__(self, emission: Emission, slots: int, with_slopes: bool = False) -> None:
        super().__init__(emission)
        emitter, table = emission.emitter, emission.table
        self.size = len(table.paths) * emission.channels
        self.values = emitter.stack(slots * self.size)
        self.slopes = emitter.stack(slots * self.size) if with_slopes else None

    @staticmethod
    def slots(emission: Emission, most: int) -> int:
        """Return the number of pairs kept at a time."""
        return max(2, min(most, _STACK_NUMBERS // (len(emission.table.paths) * emission.channels)))

    def prepare(self, pair: Number, slot: Number) -> None:
        """Evaluate the weights of a pair into a slot."""
        emission, emitter = self.emission, self.emission.emitter
        grid = [emitter.load(emission.addresses["grid"], emitter.whole(entry)) for entry in range(3)]
        interval, t = self._interval(emitter.load(emission.addresses["distances"], pair), grid)
        start = interval * (6 * self.size)
        for place, width in emitter.channel_blocks(self.size, emission.lanes):
            coefficients = [
                emitter.load(emission.addresses["coefficients"], start + (power * self.size) + place, width)
                for power in range(6)
            ]
            value, slope = _horner(coefficients, t)
            target = slot * self.size + place
            emitter.store(value, self.values, target)
            if self.slopes is not None:
                emitter.store(slope * grid[2], self.slopes, target)

    def _interval(self, distance: Number, grid: list[Number]) -> tuple[Number, Number]:
        """Compute index of and position (0 to 1) in the interval; the first and last intervals are extrapolated."""
        emitter = self.emission.emitter
        offset = distance - grid[0]
        position = offset * grid[2]
        last = emitter.integer("intervals") + -1
        first_of_last = emitter.as_real(last)
        is_inside = emitter.is_between(position, emitter.scalar(0.0), first_of_last)
        # A distance that rounds to the knot at the start of the last interval belongs to that interval.
        is_last = emitter.is_between(position, first_of_last, emitter.scalar(float("inf")))
        interval = emitter.select(
            is_inside, emitter.as_whole(position), emitter.select(is_last, last, emitter.whole(0))
        )
        # Fused, because rounding the position of a distant knot would lose digits of the position within the interval.
        return interval, multiply_add(offset, grid[2], emitter.as_real(interval) * -1.0)

    def get(self, pair: Number, slot: Number, path: int, channel: Number, width: int) -> Dual[Number]:
        """Load channels of the weight of one path for the pair in a slot."""
        index = slot * self.size + channel + path * self.emission.channels
        return Dual(self.emission.emitter.load(self.values, index, width))

    def slope(self, path: int, channel: Number, width: int) -> Number:
        """Load channels of the derivative of the weight of one path for the pair in the first slot."""
        if self.slopes is None:
            raise TypeError("slopes were not requested")
        return self.emission.emitter.load(self.slopes, channel + path * self.emission.channels, width)


def _horner(coefficients: list[Number], t: Number) -> tuple[Number, Number]:
    """Evaluate a polynomial and its derivative; the coefficients start with the constant."""
    *lower, value = coefficients
    slope = value
    for number, coefficient in enumerate(reversed(lower)):
        slope = slope * t + value if number else value
        value = value * t + coefficient
    return value, slope
