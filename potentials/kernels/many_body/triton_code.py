"""Triton code for the many-body product, generated for one table from the same formulas as the CPU code.

Values and gradients use one program per atom and block of channels. Gradients of the coefficients are summed over
blocks of atoms of one species, a few terms at a time, with the sums in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.triton.emitter import Source, Term
from potentials.kernels.many_body.formulas import Coefficient, differentiate, evaluate, pieces_of, tree_of
from potentials.kernels.many_body.table import ManyBodyTable

TritonManyBodyKernel = Literal["value", "gradient", "tangents", "coefficients", "coefficient_tangents"]
ARRAYS = ("A", "coefficients", "species", "order", "g", "v", "blocks")
PARAMETERS = [*ARRAYS, "out_first", "out_second"]
CONSTANTS = ["CHANNELS", "BLOCK"]
_MOST_SUMS = 32


class _Atom:
    """The arguments of one atom, loaded at first use."""

    def __init__(self, source: Source, table: ManyBodyTable, has_direction: bool) -> None:
        self.source, self.table, self.has_direction = source, table, has_direction
        self._loaded: dict[str, Term] = {}

    def load(self, name: str, row: str, components: int, component: int) -> Term:
        """Load one component for the channels of this program."""
        place = f"{name} + ({row} * {components} + {component}) * CHANNELS + channel"
        if place not in self._loaded:
            self._loaded[place] = self.source.define(f"tl.load({place}, mask=inside, other=0.0)")
        return self._loaded[place]

    def factor(self, component: int) -> Dual[Term]:
        """Load a component of A, with the direction v if there is one."""
        value = self.load("A", "node", self.table.components, component)
        if not self.has_direction:
            return Dual(value)
        return Dual(value, self.load("v", "node", self.table.components, component))

    def factors(self) -> list[Dual[Term]]:
        """Load all components of A."""
        return [self.factor(component) for component in range(self.table.components)]

    def upstream(self, output: int) -> Term:
        """Load one component of g."""
        return self.load("g", "node", self.table.outputs, output)

    def weight(self, _: int, term: int) -> Dual[Term]:
        """Load the coefficient of the atom's species."""
        return Dual(self.load("coefficients", "kind", self.table.num_terms, term))

    def weighted(self, output: int, term: int) -> Dual[Term]:
        """Compute the coefficient times g."""
        return self.weight(output, term) * Dual(self.upstream(output))

    def stored(self, number: Dual[Term] | None) -> str:
        """Return the component of a result that the kernel stores: the value, or its derivative along the direction."""
        part = None if number is None else number.tangent if self.has_direction else number.value
        return "tl.zeros((BLOCK,), dtype=out_first.dtype.element_ty)" if part is None else part.name


def write(table: ManyBodyTable, kernel: TritonManyBodyKernel) -> list[Source]:
    """Write the functions of a kernel, to be launched in sequence; the outputs are those of the CPU kernels."""
    if kernel in ("coefficients", "coefficient_tangents"):
        terms = range(table.num_terms)
        chunks = [terms[start : start + _MOST_SUMS] for start in range(0, len(terms), _MOST_SUMS)]
        has_direction = kernel == "coefficient_tangents"
        return [_coefficient_sums(table, chunk, has_direction, number) for number, chunk in enumerate(chunks)]
    return [_per_atom(table, kernel, outputs, number) for number, outputs in enumerate(pieces_of(table))]


def _channels(source: Source) -> None:
    source.line("channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)")
    source.line("inside = channel < CHANNELS")


def _per_atom(table: ManyBodyTable, kernel: TritonManyBodyKernel, outputs: Sequence[int], number: int) -> Source:
    source = Source(f"atom_{number}", PARAMETERS, CONSTANTS)
    source.line("node = tl.program_id(0).to(tl.int64)")
    source.line("kind = tl.load(species + node)")
    _channels(source)
    atom = _Atom(source, table, kernel == "tangents")
    if kernel != "value":
        gradient: list[Dual[Term] | None] = [None] * table.components
        differentiate(tree_of(table, outputs), atom.factors(), atom.weighted, None, gradient)
        for component, slope in enumerate(gradient):
            place = f"out_first + (node * {table.components} + {component}) * CHANNELS + channel"
            earlier = f" + tl.load({place}, mask=inside, other=0.0)" if number else ""
            source.line(f"tl.store({place}, {atom.stored(slope)}{earlier}, mask=inside)")
    if kernel != "gradient":
        _values(source, atom, outputs, "out_first" if kernel == "value" else "out_second", atom.weight)
    return source


def _values(source: Source, atom: _Atom, outputs: Sequence[int], name: str, weight: Coefficient[Term]) -> None:
    for output in outputs:
        value = evaluate(tree_of(atom.table, [output]), atom.factors(), weight)
        place = f"{name} + (node * {atom.table.outputs} + {output}) * CHANNELS + channel"
        source.line(f"tl.store({place}, {atom.stored(value)}, mask=inside)")


def _coefficient_sums(table: ManyBodyTable, terms: Sequence[int], has_direction: bool, number: int) -> Source:
    """Write the sums of g times some monomials over a block of atoms of one species."""
    source = Source(f"coefficients_{number}", PARAMETERS, CONSTANTS)
    source.line("block = tl.program_id(0).to(tl.int64)")
    _channels(source)
    for term in terms:
        source.line(f"sum_{term} = tl.zeros((BLOCK,), dtype=out_first.dtype.element_ty)")
    source.line("start = tl.load(blocks + block * 2)")
    source.line("stop = tl.load(blocks + block * 2 + 1)")
    with source.block("for position in range(start, stop):"):
        source.line("node = tl.load(order + position)")
        atom = _Atom(source, table, has_direction)
        for term in terms:
            product: Dual[Term] | None = None
            for factor in table.factors[term].tolist():
                if factor < table.components:
                    product = atom.factor(factor) if product is None else product * atom.factor(factor)
            upstream = atom.upstream(int(table.output_of_term[term]))
            if product is None:
                if not has_direction:
                    source.line(f"sum_{term} += {upstream.name}")
            else:
                source.line(f"sum_{term} += {atom.stored(product)} * {upstream.name}")
    for term in terms:
        place = f"out_first + (block * {table.num_terms} + {term}) * CHANNELS + channel"
        source.line(f"tl.store({place}, sum_{term}, mask=inside)")
    return source
