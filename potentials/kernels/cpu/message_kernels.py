"""Code for message passing, written out for one table, number of channels and precision.

Three kernels serve the whole family: a sum over the edges of each receiver (dQ/dg), a sum over the edges of each sender
(dQ/dh), and a sum over the channels for each pair of edges (dQ/dY and dQ/dw). Each is written in dual numbers: without
directions it gives the contraction, with directions its derivative along them.

Couplings of one edge, K_ad = sum_b C_abd Y_b, are made once for all channels and kept on the stack for a few edges.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from potentials.kernels.cpu.duals import Dual
from potentials.kernels.cpu.emitter import Number, Variable
from potentials.kernels.cpu.message_emission import Couplings, Emission, MessageKernel, Weights
from potentials.kernels.cpu.message_groups import Group, receiver_groups, receivers_of, sender_groups
from potentials.kernels.cpu.pair_kernels import emit_pair_sums
from potentials.kernels.cpu.splines import Splines
from potentials.kernels.tables import MessageTable


def emit(table: MessageTable, channels: int, bits: int, kernel: MessageKernel) -> ir.Function:
    """Write a kernel; see `MessageKernel`."""
    emission = Emission(table, channels, bits, kernel)
    if kernel.output == "g":
        _emit_node_sum(emission, "receiver_pointer", None, receiver_groups(table), table.receiver_components)
    elif kernel.output == "h":
        _emit_node_sum(emission, "sender_pointer", "sender_order", sender_groups(table), table.sender_components)
    else:
        emit_pair_sums(emission)
    return emission.emitter.function


def _emit_node_sum(
    emission: Emission, pointer: str, order: str | None, groups: Sequence[Group], components: int
) -> None:
    """Sum over the edges of each atom, as receiver or as sender."""
    emitter, channels = emission.emitter, emission.channels
    couplings = Couplings(emission)
    weights, block = Weights(emission), couplings.block
    if emission.kernel.splines:
        block = Splines.slots(emission, block)
        weights = Splines(emission, block)
    out = emission.addresses["out_first"]

    def edge_at(position: Number) -> Number:
        return position if order is None else emission.integer(order, position)

    with emitter.rows() as node:
        base = node * (components * channels)
        for channel, width in emitter.channel_blocks(components * channels, emission.lanes):
            emitter.store(emitter.zero(width), out, base + channel)
        start, stop = (emission.integer(pointer, node + shift) for shift in (0, 1))
        with emitter.loop(start, stop, block) as first:
            last = emitter.smaller(first + block, stop)
            with emitter.loop(first, last) as position:
                edge, slot = edge_at(position), position - first
                couplings.prepare(edge, slot)
                weights.prepare(emission.integer("edge_pair", edge), slot)
            for channel, width in emitter.channel_blocks(channels, emission.lanes):
                for group in groups:
                    places = {d: base + channel + d * channels for d in group.outputs}
                    sums = {d: Variable(emitter, width, emitter.load(out, place, width)) for d, place in places.items()}
                    with emitter.loop(first, last) as position:
                        edge, slot = edge_at(position), position - first
                        add_edge = _add_to_receiver if order is None else _add_to_sender
                        add_edge(emission, couplings, weights, group, edge, slot, channel, width, sums)
                    for d, place in places.items():
                        emitter.store(sums[d].get(), out, place)


def _add_to_receiver(
    emission: Emission,
    couplings: Couplings,
    weights: Weights,
    group: Group,
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
        weight = weights.get(pair, slot, number, channel, width)
        for a in range(path.coefficients.shape[0]):
            component = path.sender_start + a
            if component not in features:
                features[component] = emission.element("h", sender, component, channel, width)
            weighted = weight * features[component]
            for d, receiver in enumerate(receivers_of(path)):
                coupling = couplings.get(number, a, d, slot)
                if coupling is not None:
                    sums[receiver].add(emission.stored(weighted * coupling))


def _add_to_sender(
    emission: Emission,
    couplings: Couplings,
    weights: Weights,
    group: Group,
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
        weight = weights.get(pair, slot, number, channel, width)
        received = [emission.element("g", receiver, d, channel, width) for d in receivers_of(path)]
        for a in range(path.coefficients.shape[0]):
            total: Dual | None = None
            for d, gradient in enumerate(received):
                coupling = couplings.get(number, a, d, slot)
                if coupling is not None:
                    term = gradient * coupling
                    total = term if total is None else total + term
            if total is not None:
                sums[path.sender_start + a].add(emission.stored(weight * total))
