"""CPU code for linear maps of blocks and the gradients of their matrices, generated for one table and precision.

Matrix products are tiled: a few outputs are accumulated in registers, and each block of a matrix that is loaded is used
for several atoms or components. Nothing is copied or sorted: `order` lists the atoms of each species.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number, Variable
from potentials.kernels.codegen.llvm.panels import VECTORS, panel, panels

PARAMETERS = ("x", "weight", "order", "species", "atoms", "y")
TRANSPOSING_PARAMETERS = ("weight", "transposed")
OUTER_PARAMETERS = ("x", "g", "order", "pointer", "weight")

ATOM_BLOCK = VECTORS
"""Atoms per work item; atoms of the same species share the loads of their matrix."""


class BlockMap(NamedTuple):
    """One block: a vector-matrix product for each component.

    Attributes:
        components: number of vectors.
        source, rows: offset of the contiguous vectors in an atom's input, and their length.
        target, columns: the same for the output.
        weight: offset of the matrix [rows, columns].
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
    """A linear map of the features of each atom, or the gradient of its matrices.

    Attributes:
        blocks: the blocks that are mapped.
        inputs, outputs: input and output size per atom, all components and channels.
        weights: size of the matrices of one species.
        by_species: whether each species has its own matrices.
    """

    blocks: tuple[BlockMap, ...]
    inputs: int
    outputs: int
    weights: int
    by_species: bool

    def gaps(self) -> list[tuple[int, int]]:
        """Return start and end of each range of outputs that belongs to no block."""
        found, position = [], 0
        for block in sorted(self.blocks, key=lambda block: block.target):
            if block.target > position:
                found.append((position, block.target))
            position = block.target + block.components * block.columns
        return found + ([(position, self.outputs)] if position < self.outputs else [])


def emit(kernel: MixingKernel, bits: int) -> ir.Function:
    """Write the map y = x W of each block of each atom; outputs that belong to no block are set to zero."""
    emitter = Emitter(PARAMETERS, bits)
    order, y = emitter.address("order"), emitter.address("y")

    def atom_at(position: Number) -> Number:
        return emitter.load_integer(order, position) if kernel.by_species else position

    with emitter.rows() as row:
        first = row * ATOM_BLOCK
        last = emitter.smaller(first + ATOM_BLOCK, emitter.integer("atoms"))
        with emitter.loop(first, last) as position:
            for start, stop in kernel.gaps():
                for place, width in emitter.channel_blocks(stop - start, emitter.register_lanes):
                    emitter.store(emitter.zero(width), y, atom_at(position) * kernel.outputs + start + place)
        together = last
        if kernel.by_species:
            ends = [_species(emitter, atom_at(position)) for position in (first, last + -1)]
            together = emitter.select(emitter.is_equal(*ends), last, first)
        for block in kernel.blocks:
            size = max(1, ATOM_BLOCK // block.components)
            _, rest = emitter.quotient(together - first, size)
            with emitter.loop(first, together - rest, size) as position:
                _map_atoms(emitter, kernel, block, [atom_at(position + shift) for shift in range(size)])
            with emitter.loop(together - rest, last) as position:
                _map_atoms(emitter, kernel, block, [atom_at(position)])
    return emitter.function


def _species(emitter: Emitter, atom: Number) -> Number:
    return emitter.load_integer(emitter.address("species"), atom)


def _map_atoms(emitter: Emitter, kernel: MixingKernel, block: BlockMap, atoms: list[Number]) -> None:
    """Write one block for atoms that share a matrix."""
    y = emitter.address("y")
    matrix = emitter.whole(block.weight)
    if kernel.by_species:
        matrix = matrix + _species(emitter, atoms[0]) * kernel.weights
    vectors = [
        atom * kernel.inputs + (block.source + component * block.rows)
        for atom in atoms
        for component in range(block.components)
    ]
    places = [
        atom * kernel.outputs + (block.target + component * block.columns)
        for atom in atoms
        for component in range(block.components)
    ]
    entries = [partial(_entry, emitter, vector) for vector in vectors]
    shape = (block.rows, block.columns)
    for column, width in panels(block.columns, len(vectors), emitter.register_lanes):
        sums = panel(emitter, entries, (emitter.address("weight"), matrix + column), shape, width)
        for place, total in zip(places, sums, strict=True):
            emitter.store(total * block.scale, y, place + column)


def _entry(emitter: Emitter, vector: Number, row: Number) -> Number:
    return emitter.load(emitter.address("x"), vector + row)


def outer_tiles(channels: int) -> int:
    """Return the number of work items per species in the gradient of the matrices."""
    return channels // _tile(channels)


def _tile(channels: int) -> int:
    """Return the number of matrix rows whose sums are kept in registers."""
    return next(size for size in range(8, 0, -1) if channels % size == 0)


def emit_outer(kernel: MixingKernel, channels: int, bits: int) -> ir.Function:
    """Write W = sum of x g over atoms and components for each block; a work item is one species and tile of channels.

    Args:
        kernel: the map with these matrices.
        channels: channels of one copy of the input.
        bits: 32 or 64, size of the floating-point numbers.
    """
    emitter = Emitter(OUTER_PARAMETERS, bits)
    tile, tiles = _tile(channels), outer_tiles(channels)
    with emitter.rows() as row:
        species, number = emitter.quotient(row, tiles)
        pointer = emitter.address("pointer")
        bounds = [emitter.load_integer(pointer, species + side) for side in (0, 1)]
        for block in kernel.blocks:
            with emitter.loop(emitter.whole(0), emitter.whole(block.rows // channels)) as copy:
                first = copy * channels + number * tile
                for column, width in panels(block.columns, tile, emitter.register_lanes):
                    matrix = species * kernel.weights + first * block.columns + (block.weight + column)
                    sums = _outer_panel(emitter, kernel, block, bounds, first, column, (tile, width))
                    for line, total in enumerate(sums):
                        place = matrix + line * block.columns
                        emitter.store(total * block.scale, emitter.address("weight"), place)
    return emitter.function


def _outer_panel(
    emitter: Emitter,
    kernel: MixingKernel,
    block: BlockMap,
    bounds: list[Number],
    row: Number,
    column: int,
    size: tuple[int, int],
) -> list[Number]:
    """Write the sum over the atoms of a species for some rows and columns of a matrix."""
    tile, width = size
    x, g = emitter.address("x"), emitter.address("g")
    sums = [Variable(emitter, width) for _ in range(tile)]
    with emitter.loop(bounds[0], bounds[1]) as position:
        atom = emitter.load_integer(emitter.address("order"), position) if kernel.by_species else position
        source, target = atom * kernel.inputs + row, atom * kernel.outputs + column
        for component in range(block.components):
            place = target + (block.target + component * block.columns)
            values = emitter.load(g, place, width)
            for line, total in enumerate(sums):
                vector = source + (block.source + component * block.rows + line)
                total.add(emitter.spread(emitter.load(x, vector), width) * values)
    return [variable.get() for variable in sums]


def emit_transposing(kernel: MixingKernel, channels: int, bits: int) -> ir.Function:
    """Write the transposition of the matrices of all blocks at the same offsets; work items as in `emit_outer`."""
    emitter = Emitter(TRANSPOSING_PARAMETERS, bits)
    weight, transposed = (emitter.address(name) for name in TRANSPOSING_PARAMETERS)
    tile, tiles = _tile(channels), outer_tiles(channels)
    with emitter.rows() as row:
        species, number = emitter.quotient(row, tiles)
        for block in kernel.blocks:
            matrix = species * kernel.weights + block.weight
            with emitter.loop(emitter.whole(0), emitter.whole(block.rows // channels)) as copy:
                first = copy * channels + number * tile
                with emitter.loop(emitter.whole(0), emitter.whole(block.columns)) as column:
                    for line in range(tile):
                        source = matrix + (first + line) * block.columns + column
                        target = matrix + column * block.rows + first + line
                        emitter.store(emitter.load(weight, source), transposed, target)
    return emitter.function
