"""Code for message passing, written out for one table, number of channels and precision.

Three kernels serve the whole family: a sum over the edges of each receiver (dQ/dg), a sum over the edges of each sender
(dQ/dh), and a sum over the channels for each pair of edges (dQ/dY and dQ/dw). Each is written in dual numbers: without
directions it gives the contraction, with directions its derivative along them.

Couplings of one edge, K_ad = sum_b C_abd Y_b, are made once for all channels and kept on the stack for a few edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from potentials.kernels.cpu.duals import Dual, add
from potentials.kernels.cpu.emitter import Emitter, Number, Variable
from potentials.kernels.tables import MessagePath, MessageTable

ARRAYS = ("h", "Y", "w", "g", "dh", "dY", "dw")
TOPOLOGY = ("senders", "receivers", "receiver_pointer", "sender_order", "sender_pointer", "edge_pair", "pair_edges")
PARAMETERS = (*ARRAYS, *TOPOLOGY, "out_first", "out_second")

_TOLERANCE = 1e-12
_STACK_NUMBERS = 4096
_MAXIMUM_ACCUMULATORS = 8


@dataclass(frozen=True)
class MessageKernel:
    """Which kernel is wanted.

    Attributes:
        output: `g`, `h`, or a string of `Y` and `w`.
        directions: the arguments along which the derivative is taken; empty for the contraction itself.
    """

    output: str
    directions: frozenset[str] = frozenset()


class _Emission:
    """What the three kernels share: arguments as dual numbers, and couplings."""

    def __init__(self, table: MessageTable, channels: int, bits: int, kernel: MessageKernel) -> None:
        self.table, self.channels, self.kernel = table, channels, kernel
        self.emitter = Emitter(PARAMETERS, bits)
        # Two registers side by side share each coupling.
        self.lanes = 2 * self.emitter.register_lanes
        self.addresses = {name: self.emitter.address(name) for name in PARAMETERS}
        self.rows_of = {
            "h": table.sender_components,
            "w": len(table.paths),
            "g": table.receiver_components,
        }

    def element(self, name: str, row: Number, component: int, channel: Number, width: int) -> Dual:
        """Channels of one component of an argument, with its direction's where there is one."""
        index = row * (self.rows_of[name] * self.channels) + channel + component * self.channels
        return self._dual(name, index, width)

    def harmonic(self, edge: Number, component: int) -> Dual:
        """One spherical harmonic of an edge."""
        return self._dual("Y", edge * self.table.harmonic_components + component, None)

    def _dual(self, name: str, index: Number, width: int | None) -> Dual:
        value = self.emitter.load(self.addresses[name], index, width)
        if name not in self.kernel.directions:
            return Dual(value)
        return Dual(value, self.emitter.load(self.addresses[f"d{name}"], index, width))

    def stored(self, number: Dual) -> Number | None:
        """The part of a result that the kernel is to give."""
        return number.tangent if self.kernel.directions else number.value

    def integer(self, name: str, index: Number) -> Number:
        """An entry of the topology."""
        return self.emitter.load_integer(self.addresses[name], index)


class _Couplings:
    """K_ad of the paths, for a few edges at a time."""

    def __init__(self, emission: _Emission) -> None:
        self.emission = emission
        emitter, table = emission.emitter, emission.table
        self.position: dict[tuple[int, int, int], int] = {}
        columns: list[np.ndarray] = []
        for number, path in enumerate(table.paths):
            for a, d in np.argwhere(np.abs(path.coefficients).max(axis=1) > _TOLERANCE):
                self.position[number, int(a), int(d)] = len(columns)
                column = np.zeros(table.harmonic_components)
                start = path.harmonic_start
                column[start : start + path.coefficients.shape[1]] = path.coefficients[a, :, d]
                columns.append(column)
        lanes = emitter.register_lanes
        self.size = -(-max(1, len(columns)) // lanes) * lanes
        matrix = np.zeros((table.harmonic_components, self.size))
        if columns:
            matrix[:, : len(columns)] = np.stack(columns, axis=1)
        self.matrix = matrix
        self.constants = emitter.table(matrix)
        self.has_tangent = "Y" in emission.kernel.directions
        self.block = int(np.clip(_STACK_NUMBERS // self.size, 4, 32))
        self.values = emitter.stack(self.block * self.size)
        self.tangents = emitter.stack(self.block * self.size) if self.has_tangent else None

    def prepare(self, edge: Number, slot: Number) -> None:
        """Compute the couplings of an edge into a slot."""
        emission, emitter = self.emission, self.emission.emitter
        lanes = emitter.register_lanes
        for first in range(0, self.size, lanes):
            total: Dual | None = None
            for b in np.flatnonzero(np.abs(self.matrix[:, first : first + lanes]).max(axis=1) > _TOLERANCE):
                constants = emitter.load(self.constants, emitter.whole(int(b) * self.size + first), lanes)
                term = Dual(constants) * emission.harmonic(edge, int(b))
                total = term if total is None else total + term
            zero = emitter.zero(lanes)
            emitter.store(zero if total is None else total.value, self.values, slot * self.size + first)
            if self.tangents is not None:
                tangent = None if total is None else total.tangent
                emitter.store(zero if tangent is None else tangent, self.tangents, slot * self.size + first)

    def get(self, path: int, a: int, d: int, slot: Number) -> Dual | None:
        """K_ad of the edge in a slot; None where it is always zero."""
        position = self.position.get((path, a, d))
        if position is None:
            return None
        emitter = self.emission.emitter
        index = slot * self.size + position
        value = emitter.load(self.values, index)
        return Dual(value, None if self.tangents is None else emitter.load(self.tangents, index))


def emit(table: MessageTable, channels: int, bits: int, kernel: MessageKernel) -> ir.Function:
    """Write a kernel; see `MessageKernel`."""
    emission = _Emission(table, channels, bits, kernel)
    if kernel.output == "g":
        _emit_node_sum(emission, "receiver_pointer", None, _receiver_groups(table), table.receiver_components)
    elif kernel.output == "h":
        _emit_node_sum(emission, "sender_pointer", "sender_order", _sender_groups(table), table.sender_components)
    else:
        _emit_pair_sums(emission)
    return emission.emitter.function


@dataclass(frozen=True)
class _Group:
    """Paths that are summed in one pass over the edges.

    Attributes:
        outputs: the components that are written.
        paths: numbers of the paths.
    """

    outputs: tuple[int, ...]
    paths: tuple[int, ...]


def _receiver_groups(table: MessageTable) -> list[_Group]:
    """Few enough receiver components at a time to stay in registers; each belongs to one path."""
    groups: list[_Group] = []
    for number, path in sorted(enumerate(table.paths), key=lambda item: item[1].sender_start):
        outputs = tuple(_receivers(path))
        last = groups[-1] if groups else None
        shared = last is not None and table.paths[last.paths[0]].sender_start == path.sender_start
        if last is not None and shared and len(last.outputs) + len(outputs) <= _MAXIMUM_ACCUMULATORS:
            groups[-1] = _Group(last.outputs + outputs, (*last.paths, number))
        else:
            groups.append(_Group(outputs, (number,)))
    return groups


def _sender_groups(table: MessageTable) -> list[_Group]:
    """The paths that read overlapping sender components, together."""
    return _overlapping([(path.sender_start, path.coefficients.shape[0]) for path in table.paths])


def _harmonic_groups(table: MessageTable) -> list[_Group]:
    """The paths that read overlapping harmonics, together."""
    return _overlapping([(path.harmonic_start, path.coefficients.shape[1]) for path in table.paths])


def _overlapping(ranges: Sequence[tuple[int, int]]) -> list[_Group]:
    """Paths by the components they concern, given as first component and number of components."""
    groups: list[_Group] = []
    for number, (start, size) in sorted(enumerate(ranges), key=lambda item: item[1]):
        components = set(range(start, start + size))
        if groups and components & set(groups[-1].outputs):
            groups[-1] = _Group(tuple(sorted(components | set(groups[-1].outputs))), (*groups[-1].paths, number))
        else:
            groups.append(_Group(tuple(sorted(components)), (number,)))
    return groups


def _receivers(path: MessagePath) -> list[int]:
    return [path.receiver_start + path.receiver_step * d for d in range(path.coefficients.shape[2])]


def _emit_node_sum(
    emission: _Emission, pointer: str, order: str | None, groups: Sequence[_Group], components: int
) -> None:
    """Sum over the edges of each atom, as receiver or as sender."""
    emitter, channels = emission.emitter, emission.channels
    couplings = _Couplings(emission)
    out = emission.addresses["out_first"]

    def edge_at(position: Number) -> Number:
        return position if order is None else emission.integer(order, position)

    with emitter.rows() as node:
        base = node * (components * channels)
        for channel, width in emitter.channel_blocks(components * channels, emission.lanes):
            emitter.store(emitter.zero(width), out, base + channel)
        start, stop = (emission.integer(pointer, node + shift) for shift in (0, 1))
        with emitter.loop(start, stop, couplings.block) as first:
            last = emitter.smaller(first + couplings.block, stop)
            with emitter.loop(first, last) as position:
                couplings.prepare(edge_at(position), position - first)
            for channel, width in emitter.channel_blocks(channels, emission.lanes):
                for group in groups:
                    places = {d: base + channel + d * channels for d in group.outputs}
                    sums = {d: Variable(emitter, width, emitter.load(out, place, width)) for d, place in places.items()}
                    with emitter.loop(first, last) as position:
                        edge, slot = edge_at(position), position - first
                        add_edge = _add_to_receiver if order is None else _add_to_sender
                        add_edge(emission, couplings, group, edge, slot, channel, width, sums)
                    for d, place in places.items():
                        emitter.store(sums[d].get(), out, place)


def _add_to_receiver(
    emission: _Emission,
    couplings: _Couplings,
    group: _Group,
    edge: Number,
    slot: Number,
    channel: Number,
    width: int,
    sums: dict[int, Variable],
) -> None:
    """message_d += K_ad w_p h_a"""
    sender, pair = emission.integer("senders", edge), emission.integer("edge_pair", edge)
    features: dict[int, Dual] = {}
    for number in group.paths:
        path = emission.table.paths[number]
        weight = emission.element("w", pair, number, channel, width)
        for a in range(path.coefficients.shape[0]):
            component = path.sender_start + a
            if component not in features:
                features[component] = emission.element("h", sender, component, channel, width)
            weighted = weight * features[component]
            for d, receiver in enumerate(_receivers(path)):
                coupling = couplings.get(number, a, d, slot)
                if coupling is not None:
                    _accumulate(sums[receiver], emission.stored(weighted * coupling))


def _add_to_sender(
    emission: _Emission,
    couplings: _Couplings,
    group: _Group,
    edge: Number,
    slot: Number,
    channel: Number,
    width: int,
    sums: dict[int, Variable],
) -> None:
    """gradient_a += w_p K_ad g_d"""
    receiver, pair = emission.integer("receivers", edge), emission.integer("edge_pair", edge)
    for number in group.paths:
        path = emission.table.paths[number]
        weight = emission.element("w", pair, number, channel, width)
        received = [emission.element("g", receiver, d, channel, width) for d in _receivers(path)]
        for a in range(path.coefficients.shape[0]):
            total: Dual | None = None
            for d, gradient in enumerate(received):
                coupling = couplings.get(number, a, d, slot)
                if coupling is not None:
                    term = gradient * coupling
                    total = term if total is None else total + term
            if total is not None:
                _accumulate(sums[path.sender_start + a], emission.stored(weight * total))


def _accumulate(variable: Variable, term: Number | None) -> None:
    if term is not None:
        variable.add(term)


def _emit_pair_sums(emission: _Emission) -> None:
    """dQ/dw of each pair of edges and dQ/dY of both edges, from m_pb = sum_ad C_abd h_a g_d:
    dQ/dw_p = sum_b Y_b m_pb and dQ/dY_b = sum_pc w_p m_pb."""
    emitter, table = emission.emitter, emission.table
    groups = _harmonic_groups(table)
    untouched = set(range(table.harmonic_components)).difference(*(group.outputs for group in groups))
    with emitter.rows() as pair:
        first_edge, second_edge = (emission.integer("pair_edges", pair * 2 + side) for side in (0, 1))
        alone = emitter.is_equal(first_edge, second_edge)
        edges = emitter.select(alone, emitter.whole(1), emitter.whole(2))
        with emitter.loop(emitter.whole(0), edges) as side:
            is_first = emitter.is_equal(side, emitter.whole(0))
            edge = emitter.select(is_first, first_edge, second_edge)
            for group in groups:
                _emit_pair_group(emission, group, pair, edge, is_first)
            if "Y" in emission.kernel.output:
                for b in untouched:
                    place = edge * table.harmonic_components + b
                    emitter.store(emitter.zero(None), emission.addresses["out_first"], place)


def _emit_pair_group(emission: _Emission, group: _Group, pair: Number, edge: Number, is_first: ir.Value) -> None:
    """The paths of one degree of the harmonics, so that their sums stay in registers."""
    emitter, table, channels = emission.emitter, emission.table, emission.channels
    wanted = emission.kernel.output
    harmonics = {b: emission.harmonic(edge, b) for b in group.outputs}
    sums = _zeroed_sums(emission, group) if "Y" in wanted else {}
    for channel, width in emitter.channel_blocks(channels, emission.lanes):
        for number, moments in _moments(emission, group, edge, channel, width):
            start = table.paths[number].harmonic_start
            weight = emission.element("w", pair, number, channel, width)
            gradient: Number | None = None
            for b, moment in moments.items():
                gradient = add(gradient, emission.stored(moment * harmonics[start + b]))
                if "Y" in wanted:
                    _accumulate(sums[start + b, width], emission.stored(weight * moment))
            if "w" in wanted:
                out = emission.addresses["out_second"]
                place = (pair * len(table.paths) + number) * channels + channel
                # The second edge of the pair adds to what the first one has left.
                earlier = emitter.select(is_first, emitter.zero(width), emitter.load(out, place, width))
                emitter.store(earlier if gradient is None else earlier + gradient, out, place)
    totals: dict[int, Number] = {}
    for (b, _), variable in sums.items():
        part = emitter.total(variable.get())
        totals[b] = totals[b] + part if b in totals else part
    for b, total in totals.items():
        emitter.store(total, emission.addresses["out_first"], edge * table.harmonic_components + b)


def _zeroed_sums(emission: _Emission, group: _Group) -> dict[tuple[int, int], Variable]:
    """One sum for each harmonic and width of a block of channels."""
    full, rest = emission.channels // emission.lanes * emission.lanes, emission.channels % emission.lanes
    widths = ([emission.lanes] if full else []) + ([rest] if rest else [])
    return {(b, width): Variable(emission.emitter, width) for b in group.outputs for width in widths}


def _moments(
    emission: _Emission, group: _Group, edge: Number, channel: Number, width: int
) -> Iterator[tuple[int, dict[int, Dual]]]:
    """m_pb of each path of a group, for one block of channels of an edge."""
    sender, receiver = emission.integer("senders", edge), emission.integer("receivers", edge)
    features: dict[int, Dual] = {}
    for number in group.paths:
        path = emission.table.paths[number]
        received = [emission.element("g", receiver, d, channel, width) for d in _receivers(path)]
        moments: dict[int, Dual] = {}
        for a in range(path.coefficients.shape[0]):
            component = path.sender_start + a
            if component not in features:
                features[component] = emission.element("h", sender, component, channel, width)
            for d, gradient in enumerate(received):
                coupled = np.flatnonzero(np.abs(path.coefficients[a, :, d]) > _TOLERANCE)
                if not len(coupled):
                    continue
                product = features[component] * gradient
                for b in coupled:
                    term = product * float(path.coefficients[a, b, d])
                    moments[int(b)] = moments[int(b)] + term if int(b) in moments else term
        yield number, moments
