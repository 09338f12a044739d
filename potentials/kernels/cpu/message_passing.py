"""Message passing: which kernels a call runs, and on what."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from potentials.kernels.cpu import message_kernels
from potentials.kernels.cpu.compiler import compiled
from potentials.kernels.cpu.message_kernels import MessageKernel
from potentials.kernels.cpu.threads import bits_of, run_rows
from potentials.kernels.tables import MessageTable, lookup
from potentials.kernels.topology import EdgeTopology


@cache
def _message_code(key: str, channels: int, bits: int, kernel: MessageKernel) -> int:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    along = f" along {''.join(sorted(kernel.directions))}" if kernel.directions else ""
    return compiled(
        f"{kernel.output} of {key}{along}, {channels} channels of {bits} bits",
        lambda: message_kernels.emit(table, channels, bits, kernel),
    )


class _MessageCall:
    """One call of the message-passing family: arguments made contiguous, addresses of those that a kernel reads."""

    def __init__(self, table: MessageTable, topology: EdgeTopology, w: Tensor, **others: Tensor | None) -> None:
        self.table, self.topology = table, topology
        self.like, self.channels = w, w.shape[2]
        given = {"w": w} | {name: value for name, value in others.items() if value is not None}
        self.arguments = {name: value.contiguous() for name, value in given.items()}
        self.words = [
            self.arguments[name].data_ptr() if name in self.arguments else 0 for name in message_kernels.ARRAYS
        ] + [indices.data_ptr() for indices in topology]

    def run(self, kernel: MessageKernel, rows: int, first: Tensor, second: Tensor | None = None) -> None:
        """Run a kernel over its rows, into one output or two."""
        if self.channels == 0:
            return
        code = _message_code(self.table.key, self.channels, bits_of(self.like), kernel)
        run_rows(code, rows, [*self.words, first.data_ptr(), 0 if second is None else second.data_ptr()])

    def new(self, *shape: int) -> Tensor:
        """Room for a result."""
        return self.like.new_empty(*shape)


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C]."""
    call = _MessageCall(table, topology, w, h=h, Y=Y)
    return _node_sum(call, "g", frozenset())


def _node_sum(call: _MessageCall, output: str, directions: frozenset[str]) -> Tensor:
    components = call.table.receiver_components if output == "g" else call.table.sender_components
    result = call.new(call.topology.num_nodes, components, call.channels)
    call.run(MessageKernel(output, directions), call.topology.num_nodes, result)
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
    call = _MessageCall(table, topology, w, h=h, Y=Y, g=g)
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
    call = _MessageCall(table, topology, w, h=h, Y=Y, g=g, dh=dh, dY=dY, dw=dw)
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
