"""Linear maps of blocks as compositions of PyTorch's differentiable functions, for any device and transformation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from potentials.kernels.autograd import vjp
from potentials.kernels.block_mixing.table import MixingTable


def block_mix(
    table: MixingTable,
    x: Tensor,
    weight: Tensor,
    order: Tensor | None,
    counts: Sequence[int],
    factor: float,
) -> Tensor:
    """Multiply each block by its matrix, [N, D', C']."""
    matrices = table.matrices(weight)
    rows = x if order is None else x.index_select(0, order)
    blocks = sorted(zip(table.blocks, matrices, strict=True), key=lambda entry: entry[0].target)
    parts, first = [x.new_zeros(0, table.outputs, table.channels_out)], 0
    for species, count in enumerate(counts):
        some = rows[first : first + count]
        pieces, end = [], 0
        for block, matrix in blocks:
            source = some[:, block.source : block.source + block.components * block.copies]
            pieces.append(x.new_zeros(count, block.target - end, table.channels_out))
            flat = source.reshape(count, block.components, block.copies * table.channels_in)
            mapped = flat @ (matrix[species] * (factor * matrix.shape[-2] ** -0.5))
            rows_out = block.components * block.copies_out
            pieces.append(mapped.reshape(count, rows_out, table.channels_out))
            end = block.target + rows_out
        pieces.append(x.new_zeros(count, table.outputs - end, table.channels_out))
        parts.append(torch.cat(pieces, dim=1))
        first += count
    result = torch.cat(parts)
    return result if order is None else result.index_select(0, torch.argsort(order))


def block_mix_transposed(
    table: MixingTable, g: Tensor, weight: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Multiply each block by its transposed matrix, [N, D, C]."""
    nothing = g.new_zeros(g.shape[0], table.inputs, table.channels_in)
    _, back = vjp(lambda x: block_mix(table, x, weight, order, counts, factor), nothing)
    return cast(Tensor, back(g)[0])


def block_mix_outer(
    table: MixingTable, x: Tensor, g: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Sum over atoms and components of input times output, [S, K]."""
    nothing = x.new_zeros(len(counts), table.num_weights)
    _, back = vjp(lambda weight: block_mix(table, x, weight, order, counts, factor), nothing)
    return cast(Tensor, back(g)[0])
