"""Tables of gates: the scalar blocks and the gated blocks of a feature tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class GatedBlock(NamedTuple):
    """One block of features: even or odd scalars, or components that share a gate.

    The block contains [components, copies] rows of channels; each copy has a gate of its own.
    """

    start: int
    components: int
    is_scalar: bool
    is_even: bool
    copies: int = 1

    def rows(self, copy: int) -> range:
        """Return the rows of one copy."""
        return range(self.start + copy, self.start + self.components * self.copies, self.copies)


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
        return sum(block.components * block.copies for block in self.blocks)

    @property
    def gates(self) -> int:
        """G."""
        return sum(block.copies for block in self.blocks if not block.is_scalar)

    def numbers(self) -> tuple[list[int], float, float]:
        """Encode the table as numbers for an operator."""
        return [int(number) for block in self.blocks for number in block], self.even_factor, self.odd_factor

    @classmethod
    def from_numbers(cls, numbers: Sequence[int], even_factor: float, odd_factor: float) -> GateTable:
        """Decode a table; inverse of `numbers`."""
        width = len(GatedBlock._fields)
        rows = [numbers[start : start + width] for start in range(0, len(numbers), width)]
        blocks = tuple(
            GatedBlock(start, size, bool(scalar), bool(even), copies) for start, size, scalar, even, copies in rows
        )
        return cls(blocks, even_factor, odd_factor)
