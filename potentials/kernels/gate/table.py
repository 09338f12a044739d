"""Tables of gates: which blocks of features are scalars, and which have a gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class GatedBlock(NamedTuple):
    """One block of features: an even or odd scalar, or components that share a gate."""

    start: int
    components: int
    is_scalar: bool
    is_even: bool


class GateTable(NamedTuple):
    """Blocks that follow each other, and the factors of the activations; numbers only, as operators take them."""

    blocks: tuple[GatedBlock, ...]
    even_factor: float
    """Of silu, for even scalars and gates."""
    odd_factor: float
    """Of tanh, for odd scalars."""

    @property
    def components(self) -> int:
        """D."""
        return sum(block.components for block in self.blocks)

    @property
    def gates(self) -> int:
        """G."""
        return sum(not block.is_scalar for block in self.blocks)

    def numbers(self) -> tuple[list[int], float, float]:
        """For an operator."""
        return [int(number) for block in self.blocks for number in block], self.even_factor, self.odd_factor

    @classmethod
    def from_numbers(cls, numbers: Sequence[int], even_factor: float, odd_factor: float) -> GateTable:
        """The inverse of `numbers`."""
        rows = [numbers[start : start + 4] for start in range(0, len(numbers), 4)]
        blocks = tuple(GatedBlock(start, size, bool(scalar), bool(even)) for start, size, scalar, even in rows)
        return cls(blocks, even_factor, odd_factor)
