"""CPU code for message passing, generated for one table, number of channels and precision.

There are three kernels: a sum over the edges of each receiver (dQ/dg), a sum over the edges of each sender (dQ/dh), and
a sum over the channels for each pair of edges (dQ/dY and dQ/dw). Each is written in dual numbers: without directions it
gives the contraction, with directions its derivative along them.

The couplings of one edge, K_ad = sum_b C_abd Y_b, are computed once for all channels and kept on the stack for a few
edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from llvmlite import ir

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.llvm.emitter import Number, Variable
from potentials.kernels.message_passing.call import MessageKernel
from potentials.kernels.message_passing.cpu_code.emission import Couplings, Emission, Weights
from potentials.kernels.message_passing.cpu_code.pair_sums import emit_pair_sums
from potentials.kernels.message_passing.cpu_code.splines import Splines
from potentials.kernels.message_passing.formulas import receiver_terms, sender_terms
from potentials.kernels.message_passing.groups import Group, receiver_groups, sender_groups
from potentials.kernels.message_passing.table import MessageTable


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
    """Write the sum over the edges of each atom as receiver or as sender."""
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
                        one = _Edge(emission, couplings, weights, edge, slot, channel, width)
                        for d, term in one.terms(group, onto_senders=order is not None):
                            sums[d].add(emission.stored(term))
                    for d, place in places.items():
                        emitter.store(sums[d].get(), out, place)


class _Edge(NamedTuple):
    """A block of channels of one edge."""

    emission: Emission
    couplings: Couplings
    weights: Weights
    edge: Number
    slot: Number
    channel: Number
    width: int

    def weight(self, path: int) -> Dual[Number]:
        pair = self.emission.integer("edge_pair", self.edge)
        return self.weights.get(pair, self.slot, path, self.channel, self.width)

    def feature(self, component: int) -> Dual[Number]:
        sender = self.emission.integer("senders", self.edge)
        return self.emission.element("h", sender, component, self.channel, self.width)

    def received(self, component: int) -> Dual[Number]:
        receiver = self.emission.integer("receivers", self.edge)
        return self.emission.element("g", receiver, component, self.channel, self.width)

    def coupling(self, path: int, a: int, d: int) -> Dual[Number] | None:
        return self.couplings.get(path, a, d, self.slot)

    def terms(self, group: Group, onto_senders: bool) -> Iterator[tuple[int, Dual[Number]]]:
        """Yield components of the sum and the contributions of this edge to them."""
        table = self.emission.table
        if onto_senders:
            return sender_terms(table, group, self.weight, self.received, self.coupling)
        return receiver_terms(table, group, self.weight, self.feature, self.coupling)
