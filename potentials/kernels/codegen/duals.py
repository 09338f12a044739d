"""Dual numbers: a value and its derivative along one direction; one formula generates a kernel and its tangent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast


class Arithmetic(Protocol):
    """Operations that the numbers of an emitter support."""

    def __add__(self, other: Any, /) -> Any: ...

    def __mul__(self, other: Any, /) -> Any: ...


N = TypeVar("N", bound=Arithmetic)


@dataclass(frozen=True)
class Dual(Generic[N]):
    """value + epsilon tangent with epsilon^2 = 0; a tangent of None is zero."""

    value: N
    tangent: N | None = None

    def __add__(self, other: Dual[N]) -> Dual[N]:
        return Dual(self.value + other.value, add(self.tangent, other.tangent))

    def __mul__(self, other: Dual[N] | float) -> Dual[N]:
        if not isinstance(other, Dual):
            return Dual(self.value * other, None if self.tangent is None else self.tangent * other)
        tangent = None if other.tangent is None else self.value * other.tangent
        if self.tangent is not None:
            tangent = add(self.tangent * other.value, tangent)
        return Dual(self.value * other.value, tangent)


def add(left: N | None, right: N | None) -> N | None:
    """Add two numbers; None stands for zero."""
    if left is None or right is None:
        return left if right is None else right
    return cast(N, left + right)
