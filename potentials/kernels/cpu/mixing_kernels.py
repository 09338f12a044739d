"""Code for the linear maps of blocks, written out for one table and precision.

One atom is a row of work. A few outputs at a time stay in registers while the inputs go by; the components of a block
share each piece of the matrix that is read. Nothing is copied or sorted: each atom looks up its own species' matrix.
"""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir

from potentials.kernels.cpu.emitter import Emitter, Number, Variable

PARAMETERS = ("x", "weight", "species", "y")

_ACCUMULATORS = 14
_UNROLLED = 12


class BlockMap(NamedTuple):
    """One block: for each component a vector times a matrix.

    Attributes:
        components: how many vectors.
        source, rows: where the vectors lie in an atom's input, one after the other, and their length.
        target, columns: the same of the output.
        weight: where the matrix [rows, columns] begins.
        scale: constant factor.
    """

    components: int
    source: int
    rows: int
    target: int
    columns: int
    weight: int
    scale: float


class MixingKernel(NamedTuple):
    """A map of one atom's features.

    Attributes:
        blocks: what is mapped.
        inputs, outputs: numbers of an atom, all components and channels.
        weights: numbers of one species' matrices.
        by_species: whether each species has matrices of its own.
    """

    blocks: tuple[BlockMap, ...]
    inputs: int
    outputs: int
    weights: int
    by_species: bool


def emit(kernel: MixingKernel, bits: int) -> ir.Function:
    """Write a kernel; it leaves outputs that are in no block as they are."""
    emitter = Emitter(PARAMETERS, bits)
    x, weight, y = (emitter.address(name) for name in ("x", "weight", "y"))
    with emitter.rows() as atom:
        source, target = atom * kernel.inputs, atom * kernel.outputs
        matrices = emitter.whole(0)
        if kernel.by_species:
            matrices = emitter.load_integer(emitter.address("species"), atom) * kernel.weights
        for block in kernel.blocks:
            for column, width in _panels(block, emitter.register_lanes):
                sums = _panel(emitter, block, (x, source), (weight, matrices), column, width)
                for component, total in enumerate(sums):
                    place = target + (block.target + component * block.columns + column)
                    emitter.store(total * block.scale, y, place)
    return emitter.function


def _panels(block: BlockMap, lanes: int) -> list[tuple[int, int]]:
    """First column and width of the pieces of the output whose sums stay in registers."""
    width = max(1, min(4, _ACCUMULATORS // block.components)) * lanes
    return [(start, min(width, block.columns - start)) for start in range(0, block.columns, width)]


def _panel(
    emitter: Emitter,
    block: BlockMap,
    features: tuple[ir.Value, Number],
    matrices: tuple[ir.Value, Number],
    column: int,
    width: int,
) -> list[Number]:
    """Some columns of the products of all components."""
    x, source = features
    weight, matrix = matrices
    registers = block.components * -(-width // emitter.register_lanes)
    # Products of one sum wait for each other; several sums of the same output do not.
    chains = next(n for n in (4, 2, 1) if n == 1 or (registers * n <= _UNROLLED and block.rows % n == 0))
    sums = [[Variable(emitter, width) for _ in range(block.components)] for _ in range(chains)]
    with emitter.loop(emitter.whole(0), emitter.whole(block.rows), chains) as first:
        for chain in range(chains):
            row = first + chain
            values = emitter.load(weight, matrix + (block.weight + column) + row * block.columns, width)
            for component in range(block.components):
                place = source + (block.source + component * block.rows) + row
                sums[chain][component].add(emitter.spread(emitter.load(x, place), width) * values)
    results = [variable.get() for variable in sums[0]]
    for others in sums[1:]:
        results = [total + variable.get() for total, variable in zip(results, others, strict=True)]
    return results
