"""Dual numbers: a value and its derivative along one direction, so that one emitter writes a kernel and its tangent."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.kernels.cpu.emitter import Number


@dataclass(frozen=True)
class Dual:
    """value + epsilon tangent with epsilon^2 = 0; a tangent of None is zero."""

    value: Number
    tangent: Number | None = None

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, add(self.tangent, other.tangent))

    def __mul__(self, other: Dual | float) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value * other, None if self.tangent is None else self.tangent * other)
        tangent = None if other.tangent is None else self.value * other.tangent
        if self.tangent is not None:
            own = self.tangent * other.value
            tangent = own if tangent is None else tangent + own
        return Dual(self.value * other.value, tangent)


def add(left: Number | None, right: Number | None) -> Number | None:
    """The sum of two numbers, each of which may be an absent zero."""
    if left is None or right is None:
        return left if right is None else right
    return left + right
