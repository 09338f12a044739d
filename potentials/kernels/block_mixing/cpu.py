"""Calls of the CPU kernels for linear maps of blocks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from potentials.kernels.block_mixing import cpu_code
from potentials.kernels.block_mixing.cpu_code import BlockMap, MixingKernel
from potentials.kernels.block_mixing.table import MixingTable
from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.memory import allocate


@cache
def _mixing_code(kernel: MixingKernel, bits: int) -> int:
    return compiled(cpu_code.emit, kernel, bits)


@cache
def _outer_code(kernel: MixingKernel, channels: int, bits: int) -> int:
    return compiled(cpu_code.emit_outer, kernel, channels, bits)


@cache
def _mixing_kernel(table: MixingTable, by_species: bool, factor: float, transposed: bool) -> MixingKernel:
    blocks, offset = [], 0
    for block in table.blocks:
        rows, columns = block.copies * table.channels_in, block.copies_out * table.channels_out
        source, target = block.source * table.channels_in, block.target * table.channels_out
        scale = factor * rows**-0.5
        if transposed:
            blocks.append(BlockMap(block.components, target, columns, source, rows, offset, scale))
        else:
            blocks.append(BlockMap(block.components, source, rows, target, columns, offset, scale))
        offset += rows * columns
    sizes = (table.inputs * table.channels_in, table.outputs * table.channels_out)
    inputs, outputs = reversed(sizes) if transposed else sizes
    return MixingKernel(tuple(blocks), inputs, outputs, table.num_weights, by_species)


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
    result = allocate(x, x.shape[0], table.outputs, table.channels_out)
    _run_mixing(_mixing_kernel(table, species is not None, factor, False), x, weight, species, order, result)
    return result


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
    result = allocate(g, g.shape[0], table.inputs, table.channels_in)
    transposed = _transposed(table, weight)
    _run_mixing(_mixing_kernel(table, species is not None, factor, True), g, transposed, species, order, result)
    return result


@cache
def _transposing_code(kernel: MixingKernel, channels: int, bits: int) -> int:
    return compiled(cpu_code.emit_transposing, kernel, channels, bits)


def _transposed(table: MixingTable, weight: Tensor) -> Tensor:
    """Transpose the matrices of all blocks and species; offsets stay the same."""
    kept = (weight, torch.empty_like(weight))
    rows = weight.shape[0] * cpu_code.outer_tiles(table.channels_in)
    if weight.numel():
        code = _transposing_code(_mixing_kernel(table, True, 1.0, False), table.channels_in, bits_of(weight))
        run_rows(code, rows, [tensor.data_ptr() for tensor in kept], weight.numel())
    return kept[1]


def _run_mixing(
    kernel: MixingKernel, x: Tensor, weight: Tensor, species: Tensor | None, order: Tensor | None, result: Tensor
) -> None:
    if result.numel() == 0:
        return
    kept = (x, weight, order, species)
    addresses = [0 if tensor is None else tensor.data_ptr() for tensor in kept]
    rows = -(-x.shape[0] // cpu_code.ATOM_BLOCK)
    work = x.numel() * result.shape[2]
    run_rows(_mixing_code(kernel, bits_of(x)), rows, [*addresses, x.shape[0], result.data_ptr()], work)


def block_mix_outer(
    table: MixingTable, x: Tensor, g: Tensor, order: Tensor | None, counts: Sequence[int], factor: float
) -> Tensor:
    """Sum over atoms and components of input times output, [S, K]."""
    result = x.new_empty(len(counts), table.num_weights)
    if result.numel() == 0:
        return result
    kernel = _mixing_kernel(table, order is not None, factor, False)
    pointer = torch.tensor([0, *itertools.accumulate(counts)], dtype=torch.int64, device="cpu")
    kept = (x, g, order, pointer, result)
    addresses = [0 if tensor is None else tensor.data_ptr() for tensor in kept]
    rows = len(counts) * cpu_code.outer_tiles(table.channels_in)
    run_rows(_outer_code(kernel, table.channels_in, bits_of(x)), rows, addresses)
    return result
