"""Tables of linear maps: offsets of the blocks in input, output and weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from torch import Tensor


class MixedBlock(NamedTuple):
    """One block: its offsets in the input and in the output.

    The input contains [components, copies] rows of channels starting at row `source`, the output [components,
    copies_out] rows starting at row `target`.
    """

    source: int
    components: int
    copies: int
    target: int
    copies_out: int = 1


class MixingTable(NamedTuple):
    """The blocks that are mapped; convertible to a list of integers, because operators take no Python objects."""

    blocks: tuple[MixedBlock, ...]
    inputs: int
    """Components of the input."""
    outputs: int
    """Components of the output; those that belong to no block are zero."""
    channels_in: int
    channels_out: int

    @property
    def num_weights(self) -> int:
        """K."""
        return sum(block.copies * block.copies_out for block in self.blocks) * self.channels_in * self.channels_out

    def numbers(self) -> tuple[int, ...]:
        """Encode the table as integers for an operator."""
        return _encoded(self)

    @classmethod
    def from_numbers(cls, numbers: Sequence[int]) -> MixingTable:
        """Decode a table; inverse of `numbers`."""
        return _decoded(tuple(numbers))

    def matrices(self, weight: Tensor) -> list[Tensor]:
        """Return the matrix of each block as a view [..., copies * C, copies_out * C'] of the weights [..., K]."""
        shapes = [(block.copies * self.channels_in, block.copies_out * self.channels_out) for block in self.blocks]
        parts = weight.split([rows * columns for rows, columns in shapes], dim=-1)
        return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]


# Cached, because encoding and decoding a table take longer than mapping the features of a small structure.
@cache
def _encoded(table: MixingTable) -> tuple[int, ...]:
    sizes = (table.inputs, table.outputs, table.channels_in, table.channels_out)
    return sizes + tuple(number for block in table.blocks for number in block)


@cache
def _decoded(numbers: tuple[int, ...]) -> MixingTable:
    inputs, outputs, channels_in, channels_out, *rest = numbers
    size = len(MixedBlock._fields)
    blocks = tuple(MixedBlock(*rest[start : start + size]) for start in range(0, len(rest), size))
    return MixingTable(blocks, inputs, outputs, channels_in, channels_out)
