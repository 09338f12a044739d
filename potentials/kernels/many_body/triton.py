"""Calls of the Triton kernels for the many-body product."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from potentials.kernels.codegen.triton.compiler import load_functions
from potentials.kernels.codegen.triton.programs import block_of
from potentials.kernels.many_body.species_blocks import SpeciesBlocks
from potentials.kernels.many_body.table import ManyBodyTable
from potentials.kernels.many_body.triton_code import ARRAYS, TritonManyBodyKernel, write


@cache
def _functions(table: ManyBodyTable, kernel: TritonManyBodyKernel) -> list[Any]:
    sources = write(table, kernel)
    return load_functions([source.text() for source in sources], [source.name for source in sources])


def _run(kernel: TritonManyBodyKernel, table: ManyBodyTable, rows: int, *outputs: Tensor, **given: Tensor) -> None:
    """Launch the functions of a kernel over its rows."""
    A = given["A"]
    channels = A.shape[2]
    if rows == 0 or channels == 0:
        return
    kept = {name: tensor.contiguous() for name, tensor in given.items()}
    # Arguments that a kernel does not read can have any value.
    arrays = [kept.get(name, A) for name in ARRAYS]
    first, second = outputs[0], outputs[-1]
    block = block_of(channels)
    for function in _functions(table, kernel):
        function[(rows, -(-channels // block))](*arrays, first, second, CHANNELS=channels, BLOCK=block, num_warps=2)


def many_body(table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor) -> Tensor:
    """Compute B [N, M, C]."""
    result = A.new_empty(A.shape[0], table.outputs, A.shape[2])
    _run("value", table, A.shape[0], result, A=A, coefficients=coefficients, species=species)
    return result


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """Compute d(g . B)/dA and d(g . B)/d(coefficients), as far as requested."""
    slopes = weights = A.new_empty(0)
    if "A" in wanted:
        slopes = torch.empty_like(A, memory_format=torch.contiguous_format)
        _run("gradient", table, A.shape[0], slopes, A=A, coefficients=coefficients, species=species, g=g)
    if "k" in wanted:
        weights = _coefficient_gradient("coefficients", table, coefficients, species, A=A, order=order, g=g)
    return slopes, weights if "k" in wanted else A.new_empty(0)


def many_body_tangents(
    table: ManyBodyTable,
    A: Tensor,
    coefficients: Tensor,
    species: Tensor,
    order: Tensor,
    g: Tensor,
    v: Tensor,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute derivatives along v of d(g . B)/dA, d(g . B)/d(coefficients) and B, as far as requested."""
    second = along = A.new_empty(0)
    if "A" in wanted or "g" in wanted:
        second, along = (torch.empty_like(like, memory_format=torch.contiguous_format) for like in (A, g))
        given = {"A": A, "coefficients": coefficients, "species": species, "g": g, "v": v}
        _run("tangents", table, A.shape[0], second, along, **given)
    if "k" not in wanted:
        return second, A.new_empty(0), along
    weights = _coefficient_gradient("coefficient_tangents", table, coefficients, species, A=A, order=order, g=g, v=v)
    return second, weights, along


def _coefficient_gradient(
    kernel: TritonManyBodyKernel, table: ManyBodyTable, coefficients: Tensor, species: Tensor, **given: Tensor
) -> Tensor:
    A = given["A"]
    blocks = SpeciesBlocks.of(species, coefficients.shape[0])
    partial = A.new_empty(len(blocks.owners), table.num_terms, A.shape[2])
    _run(kernel, table, len(blocks.owners), partial, **given, blocks=blocks.bounds)
    return blocks.sum(partial, coefficients.shape[0])
