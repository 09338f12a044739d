"""Calls of the CPU kernels for the many-body product."""

from __future__ import annotations

from functools import cache

from torch import Tensor

from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.many_body import cpu_code
from potentials.kernels.many_body.cpu_code import NODE_BLOCK, ManyBodyKernel, channel_parts
from potentials.kernels.many_body.species_blocks import SpeciesBlocks
from potentials.kernels.many_body.table import ManyBodyTable
from potentials.kernels.memory import allocate


@cache
def _many_body_code(table: ManyBodyTable, channels: int, bits: int, kernel: ManyBodyKernel) -> int:
    return compiled(cpu_code.emit, table, channels, bits, kernel)


def _run_many_body(
    kernel: ManyBodyKernel,
    table: ManyBodyTable,
    tensors: dict[str, Tensor],
    outputs: tuple[Tensor, ...],
    blocks: int,
) -> None:
    A = tensors["A"]
    channels, bits = A.shape[2], bits_of(A)
    if channels == 0 or blocks == 0:
        return
    words = []
    for name in cpu_code.PARAMETERS:
        if name == "atoms":
            words.append(A.shape[0])
        elif name in ("out_first", "out_second"):
            position = ("out_first", "out_second").index(name)
            words.append(outputs[position].data_ptr() if position < len(outputs) else 0)
        else:
            words.append(tensors[name].data_ptr() if name in tensors else 0)
    run_rows(_many_body_code(table, channels, bits, kernel), blocks * channel_parts(channels, bits), words)


def _atom_blocks(atoms: int) -> int:
    return -(-atoms // NODE_BLOCK)


def many_body(table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor) -> Tensor:
    """Compute B [N, M, C]."""
    result = allocate(A, A.shape[0], table.outputs, A.shape[2])
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order}
    _run_many_body("value", table, tensors, (result,), _atom_blocks(A.shape[0]))
    return result


def many_body_gradients(
    table: ManyBodyTable, A: Tensor, coefficients: Tensor, species: Tensor, order: Tensor, g: Tensor, wanted: str
) -> tuple[Tensor, Tensor]:
    """Compute d(g . B)/dA and d(g . B)/d(coefficients), as far as requested."""
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order, "g": g}
    slopes = A.new_empty(0)
    if "A" in wanted:
        slopes = allocate(A, *A.shape)
        _run_many_body("gradient", table, tensors, (slopes,), _atom_blocks(A.shape[0]))
    if "k" not in wanted:
        return slopes, A.new_empty(0)
    return slopes, _coefficient_gradient("coefficients", table, tensors, coefficients.shape[0])


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
    tensors = {"A": A, "coefficients": coefficients, "species": species, "order": order, "g": g, "v": v}
    second = along = A.new_empty(0)
    if "A" in wanted or "g" in wanted:
        second = allocate(A, *A.shape)
        along = allocate(g, *g.shape)
        _run_many_body("tangents", table, tensors, (second, along), _atom_blocks(A.shape[0]))
    if "k" not in wanted:
        return second, A.new_empty(0), along
    return second, _coefficient_gradient("coefficient_tangents", table, tensors, coefficients.shape[0]), along


def _coefficient_gradient(
    kernel: ManyBodyKernel, table: ManyBodyTable, tensors: dict[str, Tensor], num_species: int
) -> Tensor:
    A = tensors["A"]
    blocks = SpeciesBlocks.of(tensors["species"], num_species)
    partial = A.new_empty(len(blocks.owners), table.num_terms, A.shape[2])
    _run_many_body(kernel, table, tensors | {"blocks": blocks.bounds}, (partial,), len(blocks.owners))
    return blocks.sum(partial, num_species)
