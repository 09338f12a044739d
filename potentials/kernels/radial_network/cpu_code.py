"""CPU code for radial networks: all layers for a few pairs of edges at a time, values and slopes together.

Hidden values are kept on the stack. A slope is the derivative with respect to the distance of the pair, computed along
with the value: (x, x') W = (x W, x' W), and silu maps (z, z') to (silu(z), silu'(z) z').
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import NamedTuple

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number, Variable
from potentials.kernels.codegen.llvm.functions import silu
from potentials.kernels.codegen.llvm.panels import VECTORS, panel, panels

PAIR_BLOCK = 12
"""Pairs per work item; they share the loads of the matrices."""
ELEMENT_BLOCK = 2048
"""Numbers per work item for the derivatives of the activation."""
PARAMETERS = ("pairs", "values", "slopes", "weight", "out_values", "out_slopes", "hidden")
ACTIVATION_PARAMETERS = ("count", "hidden", "activations", "gradients")
ROW_DOT_PARAMETERS = ("left", "right", "out")
_TILE = VECTORS // 2


class RadialKernel(NamedTuple):
    """A network.

    Attributes:
        sizes: number of inputs, hidden units of each layer, and outputs.
        scales: factor of each layer's matrix.
        keep: whether the inputs of the activations are stored.
    """

    sizes: tuple[int, ...]
    scales: tuple[float, ...]
    keep: bool


class _Emission:
    """Common code of the layers."""

    def __init__(self, kernel: RadialKernel, bits: int) -> None:
        self.kernel = kernel
        self.layers = len(kernel.scales)
        self.emitter = Emitter(PARAMETERS, bits)
        self.widest = max([1, *kernel.sizes[1:-1]])
        self.buffers = [self.emitter.stack(2 * PAIR_BLOCK * self.widest) for _ in range(2)]
        self.pairs = self.emitter.integer("pairs")

    def entry(self, layer: int, first: Number, pair: Number, stream: int, row: Number) -> Number:
        """Load an input of a layer: value (stream 0) or slope (1)."""
        if layer == 0:
            address = self.emitter.address(("values", "slopes")[stream])
            return self.emitter.load(address, pair * self.kernel.sizes[0] + row)
        return self.emitter.load(self.buffers[layer % 2], self.slot(first, pair, stream) + row)

    def slot(self, first: Number, pair: Number, stream: int) -> Number:
        """Return the offset of a pair's numbers on the stack."""
        return (pair - first) * (2 * self.widest) + stream * self.widest

    def store(self, layer: int, first: Number, pair: Number, column: int, sums: tuple[Number, Number]) -> None:
        """Store outputs of a layer, value and slope, starting at `column`."""
        emitter, size = self.emitter, self.kernel.sizes[layer + 1]
        if layer == self.layers - 1:
            for name, number in zip(("out_values", "out_slopes"), sums, strict=True):
                emitter.store(number, emitter.address(name), pair * size + column)
            return
        if self.kernel.keep:
            before = self.pairs * (2 * sum(self.kernel.sizes[1 : layer + 1]))
            for stream, number in enumerate(sums):
                place = before + self.pairs * (stream * size) + pair * size + column
                emitter.store(number, emitter.address("hidden"), place)
        value, slope, _ = silu(sums[0])
        for stream, number in enumerate((value, slope * sums[1])):
            emitter.store(number, self.buffers[(layer + 1) % 2], self.slot(first, pair, stream) + column)


def emit(kernel: RadialKernel, bits: int) -> ir.Function:
    """Write the network of values and slopes."""
    emission = _Emission(kernel, bits)
    emitter = emission.emitter
    with emitter.rows() as row:
        first = row * PAIR_BLOCK
        last = emitter.smaller(first + PAIR_BLOCK, emission.pairs)
        _, rest = emitter.quotient(last - first, _TILE)
        for layer in range(emission.layers):
            for column, width in panels(kernel.sizes[layer + 1], VECTORS, emitter.register_lanes):
                with emitter.loop(first, last - rest, _TILE) as pair:
                    _emit_tile(emission, layer, first, [pair + shift for shift in range(_TILE)], column, width)
                with emitter.loop(last - rest, last) as pair:
                    _emit_tile(emission, layer, first, [pair], column, width)
    return emitter.function


def _emit_tile(emission: _Emission, layer: int, first: Number, pairs: list[Number], column: int, width: int) -> None:
    """Write some columns of one layer for some pairs."""
    emitter, kernel = emission.emitter, emission.kernel
    vectors = [partial(emission.entry, layer, first, pair, stream) for pair in pairs for stream in (0, 1)]
    before = sum(rows * columns for rows, columns in itertools.pairwise(kernel.sizes[: layer + 1]))
    matrix = (emitter.address("weight"), emitter.whole(before + column))
    sums = panel(emitter, vectors, matrix, (kernel.sizes[layer], kernel.sizes[layer + 1]), width)
    scaled = [total * kernel.scales[layer] for total in sums]
    for pair, value, slope in zip(pairs, scaled[::2], scaled[1::2], strict=True):
        emission.store(layer, first, pair, column, (value, slope))


def emit_activation_gradient(bits: int) -> ir.Function:
    """Write the backward step of silu: from (z, z') and the gradients of its results to those of (z, z'), in place.

    The results (silu(z), silu'(z) z') are computed again, because the gradient of the next matrix needs them. Arrays
    contain `count` numbers for values, followed by `count` numbers for slopes.
    """
    emitter = Emitter(ACTIVATION_PARAMETERS, bits)
    hidden, activations, gradients = (emitter.address(name) for name in ACTIVATION_PARAMETERS[1:])
    count = emitter.integer("count")
    lanes = emitter.register_lanes

    def step(place: Number, width: int | None) -> None:
        z, tangent = (emitter.load(hidden, start, width) for start in (place, count + place))
        by_value, by_slope = (emitter.load(gradients, start, width) for start in (place, count + place))
        value, first, second = silu(z)
        emitter.store(value, activations, place)
        emitter.store(first * tangent, activations, count + place)
        emitter.store(first * by_value + second * tangent * by_slope, gradients, place)
        emitter.store(first * by_slope, gradients, count + place)

    with emitter.rows() as row:
        start = row * ELEMENT_BLOCK
        stop = emitter.smaller(start + ELEMENT_BLOCK, count)
        _, rest = emitter.quotient(stop - start, lanes)
        with emitter.loop(start, stop - rest, lanes) as place:
            step(place, lanes)
        with emitter.loop(stop - rest, stop) as place:
            step(place, None)
    return emitter.function


def emit_row_dot(size: int, bits: int) -> ir.Function:
    """Write out_n = sum_f left_nf right_nf for rows of `size` numbers."""
    emitter = Emitter(ROW_DOT_PARAMETERS, bits)
    left, right, out = (emitter.address(name) for name in ROW_DOT_PARAMETERS)
    lanes = 4 * emitter.register_lanes
    with emitter.rows() as row:
        sums = {width: Variable(emitter, width) for width in {lanes, size % lanes} if width and size >= width}
        for place, width in emitter.channel_blocks(size, lanes):
            first, second = (emitter.load(address, row * size + place, width) for address in (left, right))
            sums[width].add(first * second)
        total = emitter.zero(None)
        for part in sums.values():
            total = total + emitter.total(part.get())
        emitter.store(total, out, row)
    return emitter.function
