"""Linear maps of blocks in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from potentials.kernels.block_mixing.table import MixingTable


class _Part(NamedTuple):
    """One block for the atoms of one species, as views of matrices."""

    source: Tensor
    """[components, rows, copies * C], a view of the input."""
    matrix: Tensor
    """[copies * C, copies_out * C'], a view of the weights."""
    target: Tensor
    """[components, rows, copies_out * C'], a view of the output."""
    scale: float

    def expanded(self) -> Tensor:
        """Expand the matrix over the components."""
        return self.matrix.expand(self.source.shape[0], -1, -1)


def _parts(
    table: MixingTable, x: Tensor, weight: Tensor, y: Tensor, counts: Sequence[int], factor: float
) -> Iterator[_Part]:
    """Yield every block of every species present; x and y are contiguous and sorted by species."""
    matrices = table.matrices(weight)
    first = 0
    for species, count in enumerate(counts):
        if count:
            rows_of_x, rows_of_y = x[first : first + count], y[first : first + count]
            for block, matrix in zip(table.blocks, matrices, strict=True):
                yield _Part(
                    _as_matrices(rows_of_x, block.source, block.components, block.copies),
                    matrix[species],
                    _as_matrices(rows_of_y, block.target, block.components, block.copies_out),
                    factor * matrix.shape[-2] ** -0.5,
                )
        first += count


def _as_matrices(x: Tensor, start: int, components: int, copies: int) -> Tensor:
    """View the rows of [N, D, C] from `start` on as [components, N, copies * C]."""
    rows, total, channels = x.shape
    width = copies * channels
    offset = x.storage_offset() + start * channels
    return x.as_strided((components, rows, width), (width, total * channels, 1), offset)


def block_mix(
    table: MixingTable,
    x: Tensor,
    weight: Tensor,
    species: Tensor | None,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Multiply each block by its matrix, [N, D', C']."""
    y = x.new_zeros(x.shape[0], table.outputs, table.channels_out)
    for part in _parts(table, _sorted(x, order), weight, y, counts, factor):
        torch.baddbmm(part.target, part.source, part.expanded(), beta=0, alpha=part.scale, out=part.target)
    return _unsorted(y, order)


def block_mix_transposed(
    table: MixingTable,
    g: Tensor,
    weight: Tensor,
    species: Tensor | None,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Multiply each block by its transposed matrix, [N, D, C]."""
    x = g.new_zeros(g.shape[0], table.inputs, table.channels_in)
    for part in _parts(table, x, weight, _sorted(g, order), counts, factor):
        transposed = part.expanded().transpose(1, 2)
        torch.baddbmm(part.source, part.target, transposed, beta=0, alpha=part.scale, out=part.source)
    return _unsorted(x, order)


def block_mix_outer(
    table: MixingTable, x: Tensor, g: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Sum over atoms and components of input times output, [S, K]."""
    weight = x.new_zeros(len(counts), table.num_weights)
    for part in _parts(table, _sorted(x, order), weight, _sorted(g, order), counts, factor):
        transposed = part.source.transpose(1, 2)
        torch.addbmm(part.matrix, transposed, part.target, beta=0, alpha=part.scale, out=part.matrix)
    return weight


def _sorted(x: Tensor, order: Tensor | None) -> Tensor:
    return x.contiguous() if order is None else x.index_select(0, order)


def _unsorted(x: Tensor, order: Tensor | None) -> Tensor:
    return x if order is None else torch.empty_like(x).index_copy_(0, order, x)
