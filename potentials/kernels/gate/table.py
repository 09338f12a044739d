"""Tables of gates: the scalar blocks and the gated blocks of a feature tensor."""

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
    """Consecutive blocks and the factors of the activations, convertible to numbers for operators."""

    blocks: tuple[GatedBlock, ...]
    even_factor: float
    """Factor of silu, for even scalars and gates."""
    odd_factor: float
    """Factor of tanh, for odd scalars."""

    @property
    def components(self) -> int:
        """D."""
        return sum(block.components for block in self.blocks)

    @property
    def gates(self) -> int:
        """G."""
        return sum(not block.is_scalar for block in self.blocks)

    def numbers(self) -> tuple[list[int], float, float]:
        """Encode the table as numbers for an operator."""
        return [int(number) for block in self.blocks for number in block], self.even_factor, self.odd_factor

    @classmethod
    def from_numbers(cls, numbers: Sequence[int], even_factor: float, odd_factor: float) -> GateTable:
        """Decode a table; inverse of `numbers`."""
        rows = [numbers[start : start + 4] for start in range(0, len(numbers), 4)]
        blocks = tuple(GatedBlock(start, size, bool(scalar), bool(even)) for start, size, scalar, even in rows)
        return cls(blocks, even_factor, odd_factor)
