"""CPU code for the sums over channels for each pair of edges: gradients with respect to harmonics and weights."""

from __future__ import annotations

from collections.abc import Iterator

from llvmlite import ir

from potentials.kernels.codegen.duals import Dual, add
from potentials.kernels.codegen.llvm.emitter import Number, Variable
from potentials.kernels.message_passing.cpu_code.emission import Emission, Weights
from potentials.kernels.message_passing.cpu_code.splines import Splines
from potentials.kernels.message_passing.formulas import moments
from potentials.kernels.message_passing.groups import Group, harmonic_groups


def emit_pair_sums(emission: Emission) -> None:
    """Write dQ/dw of each pair of edges and dQ/dY of both edges.

    With m_pb = sum_ad C_abd h_a g_d they are dQ/dw_p = sum_b Y_b m_pb and dQ/dY_b = sum_pc w_p m_pb.
    """
    emitter, table = emission.emitter, emission.table
    groups = harmonic_groups(table)
    weights = Splines(emission, 1, with_slopes=True) if emission.kernel.splines else Weights(emission)
    untouched = set(range(table.harmonic_components)).difference(*(group.outputs for group in groups))
    with emitter.rows() as pair:
        first_edge, second_edge = (emission.integer("pair_edges", pair * 2 + side) for side in (0, 1))
        weights.prepare(pair, emitter.whole(0))
        by_distance = Variable(emitter, None) if "r" in emission.kernel.output else None
        alone = emitter.is_equal(first_edge, second_edge)
        edges = emitter.select(alone, emitter.whole(1), emitter.whole(2))
        with emitter.loop(emitter.whole(0), edges) as side:
            is_first = emitter.is_equal(side, emitter.whole(0))
            edge = emitter.select(is_first, first_edge, second_edge)
            for group in groups:
                total = _emit_pair_group(emission, weights, group, pair, edge, is_first)
                if by_distance is not None and total is not None:
                    by_distance.add(total)
            if "Y" in emission.kernel.output:
                for b in untouched:
                    place = edge * table.harmonic_components + b
                    emitter.store(emitter.zero(None), emission.addresses["out_first"], place)
        if by_distance is not None:
            emitter.store(by_distance.get(), emission.addresses["out_second"], pair)


def _emit_pair_group(
    emission: Emission, weights: Weights, group: Group, pair: Number, edge: Number, is_first: ir.Value
) -> Number | None:
    """Write the sums of the paths of one degree, which are kept in registers; return dQ/dr if requested."""
    emitter, table, channels = emission.emitter, emission.table, emission.channels
    wanted = emission.kernel.output
    harmonics = {b: emission.harmonic(edge, b) for b in group.outputs}
    sums = _zeroed_sums(emission, group) if "Y" in wanted else {}
    by_distance = {width: Variable(emitter, width) for width in _widths(emission)} if "r" in wanted else {}
    for channel, width in emitter.channel_blocks(channels, emission.lanes):
        for number, found in _moments(emission, group, edge, channel, width):
            start = table.paths[number].harmonic_start
            weight = weights.get(pair, emitter.whole(0), number, channel, width)
            gradient: Number | None = None
            for b, moment in found.items():
                gradient = add(gradient, emission.stored(moment * harmonics[start + b]))
                if "Y" in wanted:
                    sums[start + b, width].add(emission.stored(weight * moment))
            if "r" in wanted and gradient is not None and isinstance(weights, Splines):
                by_distance[width].add(gradient * weights.slope(number, channel, width))
            if "w" in wanted:
                out = emission.addresses["out_second"]
                place = (pair * len(table.paths) + number) * channels + channel
                # The second edge of the pair adds to the sum of the first.
                earlier = emitter.select(is_first, emitter.zero(width), emitter.load(out, place, width))
                emitter.store(earlier if gradient is None else earlier + gradient, out, place)
    totals: dict[int, Number] = {}
    for (b, _), variable in sums.items():
        part = emitter.total(variable.get())
        totals[b] = totals[b] + part if b in totals else part
    for b, total in totals.items():
        emitter.store(total, emission.addresses["out_first"], edge * table.harmonic_components + b)
    total_by_distance: Number | None = None
    for variable in by_distance.values():
        total_by_distance = add(total_by_distance, emitter.total(variable.get()))
    return total_by_distance


def _zeroed_sums(emission: Emission, group: Group) -> dict[tuple[int, int], Variable]:
    """Create one sum for each harmonic and width of a block of channels."""
    return {(b, width): Variable(emission.emitter, width) for b in group.outputs for width in _widths(emission)}


def _widths(emission: Emission) -> list[int]:
    """List the widths of the blocks of channels."""
    full, rest = emission.channels // emission.lanes * emission.lanes, emission.channels % emission.lanes
    return ([emission.lanes] if full else []) + ([rest] if rest else [])


def _moments(
    emission: Emission, group: Group, edge: Number, channel: Number, width: int
) -> Iterator[tuple[int, dict[int, Dual[Number]]]]:
    """Compute m_pb of each path of a group for one block of channels of an edge."""
    sender, receiver = emission.integer("senders", edge), emission.integer("receivers", edge)

    def feature(component: int) -> Dual[Number]:
        return emission.element("h", sender, component, channel, width)

    def received(component: int) -> Dual[Number]:
        return emission.element("g", receiver, component, channel, width)

    return moments(emission.table, group, feature, received)
