"""Code for the many-body product, written out for one table, number of channels and precision.

The polynomials are evaluated by Horner's scheme over the tree of their monomials, and their gradient by one sweep back
over the same tree. Written in dual numbers, the same code gives second derivatives. Atoms are taken in the order of
their species and channels a register at a time, so that the coefficients stay in the processor's first cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llvmlite import ir

from potentials.kernels.cpu.compiler import register_bits
from potentials.kernels.cpu.duals import Dual
from potentials.kernels.cpu.emitter import Emitter, Number
from potentials.kernels.tables import ManyBodyTable

ManyBodyKernel = Literal["value", "gradient", "tangents", "coefficients", "coefficient_tangents"]
PARAMETERS = ("A", "coefficients", "species", "g", "v", "order", "atoms", "blocks", "out_first", "out_second")
NODE_BLOCK = 32
"""Atoms that one worker takes at a time."""


@dataclass
class _Branch:
    """The monomials that begin with one sequence of factors.

    Attributes:
        terms: (output, term) of the monomial that ends here.
        children: by the next factor.
    """

    terms: list[tuple[int, int]] = field(default_factory=list)
    children: dict[int, _Branch] = field(default_factory=dict)


def _tree(table: ManyBodyTable, output: int | None = None) -> _Branch:
    """Tree of the monomials of all outputs, or of one."""
    root = _Branch()
    for term, (factors, reached) in enumerate(zip(table.factors.tolist(), table.output_of_term.tolist(), strict=True)):
        if output is not None and output != reached:
            continue
        branch = root
        for factor in factors:
            if factor < table.components:
                branch = branch.children.setdefault(factor, _Branch())
        branch.terms.append((reached, term))
    return root


def _trees(table: ManyBodyTable) -> list[_Branch]:
    return [_tree(table, output) for output in range(table.outputs)]


def _total(parts: Sequence[Dual]) -> Dual | None:
    result: Dual | None = None
    for part in parts:
        result = part if result is None else result + part
    return result


Coefficient = Callable[[int, int], Dual]
"""Weight of a term, from output and term."""


def _evaluate(branch: _Branch, A: Sequence[Dual], coefficient: Coefficient) -> Dual | None:
    """The polynomial of a branch, its leading factors divided out."""
    parts = [coefficient(output, term) for output, term in branch.terms]
    for factor, child in branch.children.items():
        inner = _evaluate(child, A, coefficient)
        if inner is not None:
            parts.append(A[factor] * inner)
    return _total(parts)


def _differentiate(
    branch: _Branch, A: Sequence[Dual], coefficient: Coefficient, prefix: Dual | None, gradient: list[Dual | None]
) -> Dual | None:
    """As `_evaluate`; adds d/dA of the branch times `prefix`, the product of its leading factors, to `gradient`."""
    parts = [coefficient(output, term) for output, term in branch.terms]
    for factor, child in branch.children.items():
        longer = None
        if child.children:
            longer = A[factor] if prefix is None else prefix * A[factor]
        inner = _differentiate(child, A, coefficient, longer, gradient)
        if inner is None:
            continue
        slope = inner if prefix is None else prefix * inner
        earlier = gradient[factor]
        gradient[factor] = slope if earlier is None else earlier + slope
        parts.append(A[factor] * inner)
    return _total(parts)


class _Emission:
    """The arguments of one atom, as dual numbers."""

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

    def factors(self, node: Number, channel: Number) -> list[Dual]:
        """A of one atom, with the direction v where there is one."""
        values = self._load("A", self.table.components, node, channel)
        if not self.has_direction:
            return [Dual(value) for value in values]
        tangents = self._load("v", self.table.components, node, channel)
        return [Dual(value, tangent) for value, tangent in zip(values, tangents, strict=True)]

    def upstream(self, node: Number, channel: Number) -> list[Number]:
        """g of one atom."""
        return self._load("g", self.table.outputs, node, channel)

    def weights(self, node: Number, channel: Number) -> Coefficient:
        """The coefficients of an atom's species."""
        species = self.emitter.load_integer(self.addresses["species"], node)
        base = species * (self.table.num_terms * self.channels) + channel
        address = self.addresses["coefficients"]
        return lambda _, term: Dual(self.emitter.load(address, base + term * self.channels, self.lanes))

    def store(self, name: str, node: Number, channel: Number, values: Sequence[Number | None]) -> None:
        """Write the components of one atom; None is zero."""
        base = node * (len(values) * self.channels) + channel
        for component, value in enumerate(values):
            number = self.emitter.zero(self.lanes) if value is None else value
            self.emitter.store(number, self.addresses[name], base + component * self.channels)


def emit(table: ManyBodyTable, channels: int, bits: int, kernel: ManyBodyKernel) -> ir.Function:
    """Write a kernel.

    `value`: B in the first output. `gradient`: d(g.B)/dA in the first. `tangents`: d(v.d(g.B)/dA)/dA in the first and
    the derivative of B along v in the second. `coefficients` and `coefficient_tangents`: d(g.B)/d(coefficients), and
    its derivative along v, of each block of atoms.
    """
    emission = _Emission(table, channels, bits, kernel)
    if kernel in ("coefficients", "coefficient_tangents"):
        _emit_coefficient_gradient(emission)
    else:
        _emit_per_atom(emission, kernel)
    return emission.emitter.function


def channel_parts(channels: int, bits: int) -> int:
    """Number of workers' rows that the channels of one block of atoms make."""
    return -(-channels // _lanes(channels, bits))


def _lanes(channels: int, bits: int) -> int:
    return min(register_bits() // bits, channels)


def _first_channel(emission: _Emission, part: Number) -> Number:
    """Where a part begins. The last one overlaps the one before when the channels do not divide evenly: what is
    computed twice is the same to the bit."""
    emitter, lanes = emission.emitter, emission.lanes
    return emitter.smaller(part * lanes, emitter.whole(emission.channels - lanes))


def _emit_per_atom(emission: _Emission, kernel: ManyBodyKernel) -> None:
    emitter = emission.emitter
    with emitter.rows() as row:
        block, part = emitter.quotient(row, channel_parts(emission.channels, emitter.bytes * 8))
        channel = _first_channel(emission, part)
        first = block * NODE_BLOCK
        last = emitter.smaller(first + NODE_BLOCK, emitter.integer("atoms"))
        with emitter.loop(first, last) as position:
            node = emitter.load_integer(emission.addresses["order"], position)
            if kernel == "value":
                _emit_value(emission, node, channel)
            else:
                _emit_gradient(emission, node, channel)


def _emit_value(emission: _Emission, node: Number, channel: Number) -> None:
    A, weight = emission.factors(node, channel), emission.weights(node, channel)
    values = [_evaluate(tree, A, weight) for tree in _trees(emission.table)]
    emission.store("out_first", node, channel, [None if value is None else value.value for value in values])


def _emit_gradient(emission: _Emission, node: Number, channel: Number) -> None:
    """d(g.B)/dA; with a direction, its derivative and that of B."""
    table = emission.table
    A, weight, upstream = emission.factors(node, channel), emission.weights(node, channel), emission.upstream
    g = upstream(node, channel)
    gradient: list[Dual | None] = [None] * table.components
    _differentiate(_tree(table), A, lambda output, term: weight(output, term) * Dual(g[output]), None, gradient)
    part = "tangent" if emission.has_direction else "value"
    emission.store("out_first", node, channel, [None if slope is None else getattr(slope, part) for slope in gradient])
    if emission.has_direction:
        values = [_evaluate(tree, A, weight) for tree in _trees(table)]
        emission.store("out_second", node, channel, [None if value is None else value.tangent for value in values])


def _emit_coefficient_gradient(emission: _Emission) -> None:
    """Of one block of atoms of one species: sum over its atoms of g times the monomial."""
    emitter, table, channels, lanes = emission.emitter, emission.table, emission.channels, emission.lanes
    sums = emitter.stack(table.num_terms * lanes)
    with emitter.rows() as row:
        block, part = emitter.quotient(row, channel_parts(channels, emitter.bytes * 8))
        channel = _first_channel(emission, part)
        with emitter.loop(emitter.whole(0), emitter.whole(table.num_terms)) as index:
            emitter.store(emitter.zero(lanes), sums, index * lanes)
        first, last = (emitter.load_integer(emission.addresses["blocks"], block * 2 + end) for end in (0, 1))
        with emitter.loop(first, last) as position:
            node = emitter.load_integer(emission.addresses["order"], position)
            A, g = emission.factors(node, channel), emission.upstream(node, channel)
            for output, term, monomial in _monomials(_tree(table), A, None):
                stored = _stored_monomial(emission, monomial)
                if stored is not None:
                    place = emitter.whole(term * lanes)
                    emitter.store(emitter.load(sums, place, lanes) + stored * g[output], sums, place)
        with emitter.loop(emitter.whole(0), emitter.whole(table.num_terms)) as index:
            place = (block * table.num_terms + index) * channels + channel
            emitter.store(emitter.load(sums, index * lanes, lanes), emission.addresses["out_first"], place)


def _monomials(branch: _Branch, A: Sequence[Dual], prefix: Dual | None) -> Iterator[tuple[int, int, Dual | None]]:
    """(output, term, product of its factors) of every term; None is the empty product."""
    for output, term in branch.terms:
        yield output, term, prefix
    for factor, child in branch.children.items():
        yield from _monomials(child, A, A[factor] if prefix is None else prefix * A[factor])


def _stored_monomial(emission: _Emission, monomial: Dual | None) -> Number | None:
    if monomial is None:
        return None if emission.has_direction else emission.emitter.constant_vector(1.0, emission.lanes)
    return monomial.tangent if emission.has_direction else monomial.value
