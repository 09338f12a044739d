"""Triton code for message passing, generated for one table from the same formulas as the CPU code.

Sums over the edges of an atom use one program per atom and block of channels, with the sums in registers; sums over
channels use one program per pair of edges. No two programs add to the same element, so results are reproducible.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from potentials.kernels.codegen.duals import Dual, add
from potentials.kernels.codegen.triton.emitter import Source, Term
from potentials.kernels.message_passing.call import MessageKernel
from potentials.kernels.message_passing.formulas import (
    TOLERANCE,
    coupling_columns,
    moments,
    receiver_terms,
    sender_terms,
)
from potentials.kernels.message_passing.groups import Group, harmonic_groups, receiver_groups, sender_groups
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.topology import EdgeTopology

ARRAYS = ("h", "Y", "w", "g", "dh", "dY", "dw")
PARAMETERS = [*ARRAYS, *EdgeTopology._fields, "out_first", "out_second"]
CONSTANTS = ["CHANNELS", "BLOCK"]
_MOST_SUMS = 48
"""Components that one program keeps in registers; further components need another launch."""


class _Emission:
    """Arguments of a kernel as dual numbers, and its couplings."""

    def __init__(self, source: Source, table: MessageTable, kernel: MessageKernel) -> None:
        self.source, self.table, self.kernel = source, table, kernel
        self.columns = coupling_columns(table)
        self.rows_of = {"h": table.sender_components, "w": len(table.paths), "g": table.receiver_components}

    def element(self, name: str, row: str, component: int) -> Dual[Term]:
        """Load one component for the channels of this program."""
        index = f"({row} * {self.rows_of[name]} + {component}) * CHANNELS + channel"
        return self._dual(name, f"{index}, mask=inside, other=0.0")

    def harmonic(self, edge: str, component: int) -> Dual[Term]:
        """Load one spherical harmonic of an edge."""
        return self._dual("Y", f"{edge} * {self.table.harmonic_components} + {component}")

    def _dual(self, name: str, place: str) -> Dual[Term]:
        value = self.source.define(f"tl.load({name} + {place})")
        if name not in self.kernel.directions:
            return Dual(value)
        return Dual(value, self.source.define(f"tl.load(d{name} + {place})"))

    def stored(self, number: Dual[Term]) -> Term | None:
        """Return the component of a result that the kernel stores."""
        return number.tangent if self.kernel.directions else number.value

    def integer(self, name: str, index: str) -> str:
        """Load an entry of the topology."""
        return self.source.define(f"tl.load({name} + {index})").name


class _Edge:
    """One edge in the loop of a sum; each number is loaded or computed at first use."""

    def __init__(self, emission: _Emission, edge: str) -> None:
        self.emission, self.edge = emission, edge
        self.sender, self.receiver, self.pair = (
            emission.integer(name, edge) for name in ("senders", "receivers", "edge_pair")
        )
        self._harmonics: dict[int, Dual[Term]] = {}
        self._couplings: dict[bytes, Dual[Term]] = {}

    def weight(self, path: int) -> Dual[Term]:
        return self.emission.element("w", self.pair, path)

    def feature(self, component: int) -> Dual[Term]:
        return self.emission.element("h", self.sender, component)

    def received(self, component: int) -> Dual[Term]:
        return self.emission.element("g", self.receiver, component)

    def harmonic(self, component: int) -> Dual[Term]:
        if component not in self._harmonics:
            self._harmonics[component] = self.emission.harmonic(self.edge, component)
        return self._harmonics[component]

    def coupling(self, path: int, a: int, d: int) -> Dual[Term] | None:
        column = self.emission.columns.get((path, a, d))
        if column is None:
            return None
        key = column.tobytes()
        if key not in self._couplings:
            found: Dual[Term] | None = None
            for b in np.flatnonzero(np.abs(column) > TOLERANCE):
                term = self.harmonic(int(b)) * float(column[b])
                found = term if found is None else found + term
            if found is None:
                return None
            self._couplings[key] = found
        return self._couplings[key]

    def terms(self, group: Group, onto_senders: bool) -> Iterator[tuple[int, Dual[Term]]]:
        """Yield components of the sum and the contributions of this edge to them."""
        table = self.emission.table
        if onto_senders:
            return sender_terms(table, group, self.weight, self.received, self.coupling)
        return receiver_terms(table, group, self.weight, self.feature, self.coupling)


def write(table: MessageTable, kernel: MessageKernel) -> list[Source]:
    """Write the functions of a kernel, to be launched in sequence."""
    if kernel.output == "g":
        return _node_sums(table, kernel, receiver_groups(table), onto_senders=False)
    if kernel.output == "h":
        return _node_sums(table, kernel, sender_groups(table), onto_senders=True)
    return [_pair_sums(table, kernel)]


def _bundles(groups: list[Group]) -> Iterator[list[Group]]:
    """Yield the groups that one program sums."""
    bundle: list[Group] = []
    for group in groups:
        if bundle and sum(len(g.outputs) for g in [*bundle, group]) > _MOST_SUMS:
            yield bundle
            bundle = []
        bundle.append(group)
    if bundle:
        yield bundle


def _node_sums(table: MessageTable, kernel: MessageKernel, groups: list[Group], onto_senders: bool) -> list[Source]:
    pointer = "sender_pointer" if onto_senders else "receiver_pointer"
    components = table.sender_components if onto_senders else table.receiver_components
    sources = []
    for number, bundle in enumerate(_bundles(groups)):
        source = Source(f"node_sum_{number}", PARAMETERS, CONSTANTS)
        emission = _Emission(source, table, kernel)
        source.line("node = tl.program_id(0).to(tl.int64)")
        source.line("channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)")
        source.line("inside = channel < CHANNELS")
        outputs = [d for group in bundle for d in group.outputs]
        for d in outputs:
            source.line(f"sum_{d} = tl.zeros((BLOCK,), dtype=out_first.dtype.element_ty)")
        source.line(f"start = tl.load({pointer} + node)")
        source.line(f"stop = tl.load({pointer} + node + 1)")
        with source.block("for position in range(start, stop):"):
            source.line("edge = tl.load(sender_order + position)" if onto_senders else "edge = position")
            edge = _Edge(emission, "edge")
            for group in bundle:
                for d, term in edge.terms(group, onto_senders):
                    part = emission.stored(term)
                    if part is not None:
                        source.line(f"sum_{d} += {part.name}")
        for d in outputs:
            place = f"out_first + (node * {components} + {d}) * CHANNELS + channel"
            source.line(f"tl.store({place}, sum_{d}, mask=inside)")
        sources.append(source)
    return sources


def _pair_sums(table: MessageTable, kernel: MessageKernel) -> Source:
    """Write dQ/dw of each pair and dQ/dY of its two edges from m_pb; see `formulas.moments`."""
    source = Source("pair_sums", PARAMETERS, CONSTANTS)
    emission = _Emission(source, table, kernel)
    groups = harmonic_groups(table)
    source.line("pair = tl.program_id(0).to(tl.int64)")
    source.line("edge_0 = tl.load(pair_edges + pair * 2)")
    source.line("edge_1 = tl.load(pair_edges + pair * 2 + 1)")
    if "Y" in kernel.output:
        for side in (0, 1):
            for b in range(table.harmonic_components):
                source.line(f"sum_{side}_{b} = tl.zeros((BLOCK,), dtype=out_first.dtype.element_ty)")
    with source.block("for first in range(0, CHANNELS, BLOCK):"):
        source.line("channel = first + tl.arange(0, BLOCK)")
        source.line("inside = channel < CHANNELS")
        for group in groups:
            _pair_group(emission, group)
    if "Y" in kernel.output:
        # An edge without a reverse is both edges of its pair, and is written twice with the same sums.
        for side in (0, 1):
            for b in range(table.harmonic_components):
                place = f"out_first + edge_{side} * {table.harmonic_components} + {b}"
                source.line(f"tl.store({place}, tl.sum(sum_{side}_{b}, axis=0))")
    return source


def _pair_group(emission: _Emission, group: Group) -> None:
    source, table, wanted = emission.source, emission.table, emission.kernel.output
    by_weight: dict[int, list[Term | None]] = {}
    for side in (0, 1):
        edge = _Edge(emission, f"edge_{side}")
        for number, found in moments(table, group, edge.feature, edge.received):
            start = table.paths[number].harmonic_start
            gradient: Term | None = None
            weight = edge.weight(number) if "Y" in wanted else None
            for b, moment in found.items():
                if "w" in wanted:
                    gradient = add(gradient, emission.stored(moment * edge.harmonic(start + b)))
                if weight is not None:
                    part = emission.stored(weight * moment)
                    if part is not None:
                        source.line(f"sum_{side}_{start + b} += {part.name}")
            by_weight.setdefault(number, []).append(gradient)
    if "w" not in wanted:
        return
    for number, (first, second) in by_weight.items():
        total = "tl.zeros((BLOCK,), dtype=out_second.dtype.element_ty)"
        if first is not None and second is not None:
            total = f"{first.name} + tl.where(edge_1 == edge_0, 0.0, {second.name})"
        place = f"out_second + (pair * {len(table.paths)} + {number}) * CHANNELS + channel"
        source.line(f"tl.store({place}, {total}, mask=inside)")
