"""CPU code for the many-body product, generated for one table, number of channels and precision.

The polynomials are evaluated by Horner's scheme over the tree of their monomials, and their gradient by one backward
pass over the same tree. In dual numbers the same code gives second derivatives. Atoms are processed in the order of
their species and channels one register at a time, so that the coefficients stay in the L1 cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from llvmlite import ir

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.llvm.compiler import register_bits
from potentials.kernels.codegen.llvm.emitter import Emitter, Number
from potentials.kernels.many_body.formulas import Coefficient, differentiate, evaluate, monomials, pieces_of, tree_of
from potentials.kernels.many_body.table import ManyBodyTable

ManyBodyKernel = Literal["value", "gradient", "tangents", "coefficients", "coefficient_tangents"]
PARAMETERS = ("A", "coefficients", "species", "g", "v", "order", "atoms", "blocks", "out_first", "out_second")
NODE_BLOCK = 32
"""Atoms that one worker takes at a time."""


class _Emission:
    """The arguments of one atom as dual numbers."""

    def __init__(self, table: ManyBodyTable, channels: int, bits: int, kernel: ManyBodyKernel) -> None:
        self.table, self.channels = table, channels
        self.emitter = Emitter(PARAMETERS, bits)
        self.lanes = _lanes(channels, bits)
        self.addresses = {name: self.emitter.address(name) for name in PARAMETERS if name != "atoms"}
        self.has_direction = kernel in ("tangents", "coefficient_tangents")

    def _load(self, name: str, components: int, node: Number, channel: Number) -> list[Number]:
        base = node * (components * self.channels) + channel
        return [
            self.emitter.load(self.addresses[name], base + component * self.channels, self.lanes)
            for component in range(components)
        ]

    def factors(self, node: Number, channel: Number) -> list[Dual[Number]]:
        """Load A of one atom, with the direction v if there is one."""
        values = self._load("A", self.table.components, node, channel)
        if not self.has_direction:
            return [Dual(value) for value in values]
        tangents = self._load("v", self.table.components, node, channel)
        return [Dual(value, tangent) for value, tangent in zip(values, tangents, strict=True)]

    def upstream(self, node: Number, channel: Number) -> list[Number]:
        """Load g of one atom."""
        return self._load("g", self.table.outputs, node, channel)

    def weights(self, node: Number, channel: Number) -> Coefficient[Number]:
        """Return a function that loads the coefficients of an atom's species."""
        species = self.emitter.load_integer(self.addresses["species"], node)
        base = species * (self.table.num_terms * self.channels) + channel
        address = self.addresses["coefficients"]
        return lambda _, term: Dual(self.emitter.load(address, base + term * self.channels, self.lanes))

    def one(self) -> Dual[Number]:
        """Return 1, the empty product."""
        return Dual(self.emitter.constant_vector(1.0, self.lanes))

    def stored(self, number: Dual[Number] | None) -> Number:
        """Return the component of a result that the kernel stores: the value, or its derivative along the direction."""
        part = None if number is None else number.tangent if self.has_direction else number.value
        return self.emitter.zero(self.lanes) if part is None else part

    def place(self, components: int, component: int, node: Number, channel: Number) -> Number:
        """Return the index of one component of an atom in an output."""
        return node * (components * self.channels) + channel + component * self.channels


def emit(table: ManyBodyTable, channels: int, bits: int, kernel: ManyBodyKernel) -> ir.Function:
    """Write a kernel.

    `value`: B in the first output. `gradient`: d(g.B)/dA in the first output. `tangents`: d(v.d(g.B)/dA)/dA in the
    first output and the derivative of B along v in the second. `coefficients` and `coefficient_tangents`:
    d(g.B)/d(coefficients), and its derivative along v, for each block of atoms.
    """
    emission = _Emission(table, channels, bits, kernel)
    if kernel in ("coefficients", "coefficient_tangents"):
        _emit_coefficient_gradient(emission)
    else:
        _emit_per_atom(emission, kernel)
    return emission.emitter.function


def channel_parts(channels: int, bits: int) -> int:
    """Return the number of rows into which the channels of one block of atoms are divided."""
    return -(-channels // _lanes(channels, bits))


def _lanes(channels: int, bits: int) -> int:
    return min(register_bits() // bits, channels)


def _first_channel(emission: _Emission, part: Number) -> Number:
    """Return the first channel of a row.

    If the channels do not divide evenly, the last row overlaps the previous one; results computed twice are bitwise
    identical.
    """
    emitter, lanes = emission.emitter, emission.lanes
    return emitter.smaller(part * lanes, emitter.whole(emission.channels - lanes))


def _emit_per_atom(emission: _Emission, kernel: ManyBodyKernel) -> None:
    emitter = emission.emitter
    with emitter.rows() as row:
        block, part = emitter.quotient(row, channel_parts(emission.channels, emitter.bytes * 8))
        channel = _first_channel(emission, part)
        first = block * NODE_BLOCK
        last = emitter.smaller(first + NODE_BLOCK, emitter.integer("atoms"))
        for number, outputs in enumerate(pieces_of(emission.table)):
            with emitter.loop(first, last) as position:
                node = emitter.load_integer(emission.addresses["order"], position)
                if kernel == "value":
                    _emit_values(emission, outputs, node, channel, "out_first")
                else:
                    _emit_gradient(emission, outputs, node, channel, is_first=number == 0)


def _emit_values(emission: _Emission, outputs: Sequence[int], node: Number, channel: Number, name: str) -> None:
    """Write B of some outputs or, with a direction, its derivative."""
    A, weight = emission.factors(node, channel), emission.weights(node, channel)
    for output in outputs:
        value = evaluate(tree_of(emission.table, [output]), A, weight)
        place = emission.place(emission.table.outputs, output, node, channel)
        emission.emitter.store(emission.stored(value), emission.addresses[name], place)


def _emit_gradient(emission: _Emission, outputs: Sequence[int], node: Number, channel: Number, is_first: bool) -> None:
    """Add d(g.B)/dA of some outputs to that of earlier ones; with a direction, its derivative and that of B."""
    emitter, table = emission.emitter, emission.table
    A, weight, g = emission.factors(node, channel), emission.weights(node, channel), emission.upstream(node, channel)
    gradient: list[Dual[Number] | None] = [None] * table.components
    differentiate(
        tree_of(table, outputs), A, lambda output, term: weight(output, term) * Dual(g[output]), None, gradient
    )
    for component, slope in enumerate(gradient):
        place = emission.place(table.components, component, node, channel)
        total = emission.stored(slope)
        if not is_first:
            total = total + emitter.load(emission.addresses["out_first"], place, emission.lanes)
        emitter.store(total, emission.addresses["out_first"], place)
    if emission.has_direction:
        _emit_values(emission, outputs, node, channel, "out_second")


def _emit_coefficient_gradient(emission: _Emission) -> None:
    """Write the sum of g times the monomial over a block of atoms of one species."""
    emitter, table, channels, lanes = emission.emitter, emission.table, emission.channels, emission.lanes
    sums = emitter.stack(table.num_terms * lanes)
    with emitter.rows() as row:
        block, part = emitter.quotient(row, channel_parts(channels, emitter.bytes * 8))
        channel = _first_channel(emission, part)
        with emitter.loop(emitter.whole(0), emitter.whole(table.num_terms)) as index:
            emitter.store(emitter.zero(lanes), sums, index * lanes)
        first, last = (emitter.load_integer(emission.addresses["blocks"], block * 2 + end) for end in (0, 1))
        for outputs in pieces_of(table):
            with emitter.loop(first, last) as position:
                node = emitter.load_integer(emission.addresses["order"], position)
                A, g = emission.factors(node, channel), emission.upstream(node, channel)
                for output, term, monomial in monomials(tree_of(table, outputs), A, emission.one()):
                    place = emitter.whole(term * lanes)
                    product = emission.stored(monomial) * g[output]
                    emitter.store(emitter.load(sums, place, lanes) + product, sums, place)
        with emitter.loop(emitter.whole(0), emitter.whole(table.num_terms)) as index:
            place = (block * table.num_terms + index) * channels + channel
            emitter.store(emitter.load(sums, index * lanes, lanes), emission.addresses["out_first"], place)
