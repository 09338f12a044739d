"""Message passing: which kernels a call runs, and on what."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from potentials.kernels.cpu import message_emission, message_kernels
from potentials.kernels.cpu.compiler import compiled
from potentials.kernels.cpu.message_emission import MessageKernel
from potentials.kernels.cpu.threads import bits_of, run_rows
from potentials.kernels.memory import allocate
from potentials.kernels.tables import MessageTable, RadialSplines, lookup
from potentials.kernels.topology import EdgeTopology


@cache
def _message_code(key: str, channels: int, bits: int, kernel: MessageKernel) -> int:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    along = f" along {''.join(sorted(kernel.directions))}" if kernel.directions else ""
    along += " of splines" if kernel.splines else ""
    return compiled(
        f"{kernel.output} of {key}{along}, {channels} channels of {bits} bits",
        lambda: message_kernels.emit(table, channels, bits, kernel),
    )


class _MessageCall:
    """One call of the message-passing family: arguments made contiguous, addresses of those that a kernel reads."""

    def __init__(
        self,
        table: MessageTable,
        topology: EdgeTopology,
        h: Tensor,
        splines: RadialSplines | None = None,
        **others: Tensor | None,
    ) -> None:
        self.table, self.topology, self.splines = table, topology, splines
        self.like, self.channels = h, h.shape[2]
        given = {"h": h} | {name: value for name, value in others.items() if value is not None}
        intervals = 0
        if splines is not None:
            grid = h.new_tensor([splines.start, splines.step, 1 / splines.step])
            given |= {"knots": splines.knots, "grid": grid}
            intervals = splines.knots.shape[0] - 1
        self.arguments = {name: value.contiguous() for name, value in given.items()}
        words = {name: value.data_ptr() for name, value in self.arguments.items()} | {"intervals": intervals}
        self.words = [
            *(words.get(name, 0) for name in message_emission.ARRAYS),
            *(indices.data_ptr() for indices in topology),
            *(words.get(name, 0) for name in message_emission.SPLINES),
        ]

    def run(self, kernel: MessageKernel, rows: int, first: Tensor, second: Tensor | None = None) -> None:
        """Run a kernel over its rows, into one output or two."""
        if self.channels == 0 or rows == 0:
            return
        code = _message_code(self.table.key, self.channels, bits_of(self.like), kernel)
        run_rows(code, rows, [*self.words, first.data_ptr(), 0 if second is None else second.data_ptr()])

    def new(self, *shape: int) -> Tensor:
        """Room for a result."""
        return allocate(self.like, *shape)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C]."""
    call = _MessageCall(table, topology, h, Y=Y, w=w)
    return _node_sum(call, "g", frozenset())


def _node_sum(call: _MessageCall, output: str, directions: frozenset[str]) -> Tensor:
    components = call.table.receiver_components if output == "g" else call.table.sender_components
    result = call.new(call.topology.num_nodes, components, call.channels)
    call.run(MessageKernel(output, directions, call.splines is not None), call.topology.num_nodes, result)
    return result


def _pair_sums(call: _MessageCall, wanted: str, directions: frozenset[str]) -> tuple[Tensor, Tensor]:
    """dQ/dY [E, B] and dQ/dw [W, P, C], those that are wanted; the others empty."""
    topology, empty = call.topology, call.new(0)
    harmonics = call.new(topology.num_edges, call.table.harmonic_components) if "Y" in wanted else empty
    weights = call.new(topology.num_pairs, len(call.table.paths), call.channels) if "w" in wanted else empty
    if "Y" in wanted or "w" in wanted:
        output = "".join(name for name in "Yw" if name in wanted)
        call.run(MessageKernel(output, directions), topology.num_pairs, harmonics, weights)
    return harmonics, weights


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY, dQ/dw, those that are wanted."""
    call = _MessageCall(table, topology, h, Y=Y, w=w, g=g)
    features = _node_sum(call, "h", frozenset()) if "h" in wanted else call.new(0)
    return (features, *_pair_sums(call, wanted, frozenset()))


def message_tangents(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    w: Tensor,
    g: Tensor,
    dh: Tensor | None,
    dY: Tensor | None,
    dw: Tensor | None,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives of dQ/dh, dQ/dY, dQ/dw and dQ/dg along (dh, dY, dw), those that are wanted."""
    call = _MessageCall(table, topology, h, Y=Y, w=w, g=g, dh=dh, dY=dY, dw=dw)
    directions = {name for name in ("h", "Y", "w") if f"d{name}" in call.arguments}
    results: dict[str, Tensor] = {}
    for output in ("h", "g"):
        along = frozenset(directions - {output})
        if output not in wanted:
            results[output] = call.new(0)
        elif along:
            results[output] = _node_sum(call, output, along)
        else:
            results[output] = torch.zeros_like(h if output == "h" else g)
    # dQ/dY does not depend on Y, nor dQ/dw on w; a kernel for both takes all directions, and needs one that counts.
    pair_wanted = "".join(name for name in "Yw" if name in wanted and directions - {name})
    results["Y"], results["w"] = _pair_sums(call, pair_wanted, frozenset(directions))
    for name, like in (("Y", Y), ("w", w)):
        if name in wanted and name not in pair_wanted:
            results[name] = torch.zeros_like(like)
    return results["h"], results["Y"], results["w"], results["g"]


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """dQ/dg [N, D, C] with weights that are splines."""
    call = _MessageCall(table, topology, h, splines, Y=Y, distances=distances)
    return _node_sum(call, "g", frozenset())


def spline_message_gradients(
    table: MessageTable,
    h: Tensor,
    Y: Tensor,
    distances: Tensor,
    splines: RadialSplines,
    g: Tensor,
    topology: EdgeTopology,
    wanted: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY and dQ/dr [W, 1], those that are wanted."""
    call = _MessageCall(table, topology, h, splines, Y=Y, distances=distances, g=g)
    features = _node_sum(call, "h", frozenset()) if "h" in wanted else call.new(0)
    harmonics = call.new(topology.num_edges, table.harmonic_components) if "Y" in wanted else call.new(0)
    by_distance = call.new(topology.num_pairs, 1) if "r" in wanted else call.new(0)
    output = "".join(name for name in "Yr" if name in wanted)
    if output:
        kernel = MessageKernel(output, splines=True)
        call.run(kernel, topology.num_pairs, harmonics, by_distance)
    return features, harmonics, by_distance
