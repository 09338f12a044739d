"""Message passing on a GPU: which kernels a call launches, and on what."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from potentials.kernels.gpu.compiler import load_functions
from potentials.kernels.gpu.message_kernels import ARRAYS, TritonMessageKernel, write
from potentials.kernels.tables import MessageTable, lookup
from potentials.kernels.topology import EdgeTopology

_WIDEST_BLOCK = 128


@cache
def _functions(key: str, kernel: TritonMessageKernel) -> list[Any]:
    table = lookup(key)
    if not isinstance(table, MessageTable):
        raise TypeError(f"{key} is not a message table")
    sources = write(table, kernel)
    return load_functions([source.text() for source in sources], [source.name for source in sources])


def block_of(channels: int) -> int:
    """Channels of one program: a power of two."""
    return min(_WIDEST_BLOCK, 1 << max(0, channels - 1).bit_length())


class _MessageCall:
    """One call of the message-passing family."""

    def __init__(self, table: MessageTable, topology: EdgeTopology, h: Tensor, **others: Tensor | None) -> None:
        self.table, self.topology, self.like, self.channels = table, topology, h, h.shape[2]
        given = {"h": h} | {name: value for name, value in others.items() if value is not None}
        self.arguments = {name: value.contiguous() for name, value in given.items()}
        self.block = block_of(self.channels)

    def run(self, kernel: TritonMessageKernel, grid: tuple[int, ...], first: Tensor, second: Tensor) -> None:
        """Launch a kernel's functions."""
        if 0 in grid or self.channels == 0:
            return
        # What a kernel does not read may be anything.
        arrays = [self.arguments.get(name, self.like) for name in ARRAYS]
        for function in _functions(self.table.key, kernel):
            function[grid](
                *arrays, *self.topology, first, second, CHANNELS=self.channels, BLOCK=self.block, num_warps=2
            )

    def node_sum(self, output: str, directions: frozenset[str] = frozenset()) -> Tensor:
        """dQ/dg or dQ/dh."""
        components = self.table.receiver_components if output == "g" else self.table.sender_components
        nodes = self.topology.num_nodes
        result = self.like.new_empty(nodes, components, self.channels)
        grid = (nodes, -(-self.channels // self.block))
        self.run(TritonMessageKernel(output, directions), grid, result, result)
        return result

    def pair_sums(self, wanted: str, directions: frozenset[str] = frozenset()) -> tuple[Tensor, Tensor]:
        """dQ/dY and dQ/dw, those that are wanted; the others empty."""
        topology, nothing = self.topology, self.like.new_empty(0)
        shapes = {
            "Y": (topology.num_edges, self.table.harmonic_components),
            "w": (topology.num_pairs, len(self.table.paths), self.channels),
        }
        harmonics, weights = (self.like.new_empty(shapes[n]) if n in wanted else nothing for n in "Yw")
        output = "".join(name for name in "Yw" if name in wanted)
        if output and self.channels == 0:
            return harmonics.zero_(), weights
        if output:
            # An output that is not written still says the type of its sums.
            first, second = (x if x.numel() else self.like for x in (harmonics, weights))
            self.run(TritonMessageKernel(output, directions), (topology.num_pairs,), first, second)
        return harmonics, weights


def message_sum(table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, topology: EdgeTopology) -> Tensor:
    """dQ/dg [N, D, C]."""
    return _MessageCall(table, topology, h, Y=Y, w=w).node_sum("g")


def message_gradients(
    table: MessageTable, h: Tensor, Y: Tensor, w: Tensor, g: Tensor, topology: EdgeTopology, wanted: str
) -> tuple[Tensor, Tensor, Tensor]:
    """dQ/dh, dQ/dY, dQ/dw, those that are wanted."""
    call = _MessageCall(table, topology, h, Y=Y, w=w, g=g)
    features = call.node_sum("h") if "h" in wanted else h.new_empty(0)
    return (features, *call.pair_sums(wanted))


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
    directions = frozenset(name for name in ("h", "Y", "w") if f"d{name}" in call.arguments)
    results: dict[str, Tensor] = {}
    for output, like in (("h", h), ("g", g)):
        along = directions - {output}
        if output not in wanted:
            results[output] = h.new_empty(0)
        else:
            results[output] = call.node_sum(output, along) if along else torch.zeros_like(like)
    # dQ/dY does not depend on Y, nor dQ/dw on w; a kernel for both takes all directions, and needs one that counts.
    pair_wanted = "".join(name for name in "Yw" if name in wanted and directions - {name})
    results["Y"], results["w"] = call.pair_sums(pair_wanted, directions)
    for name, like in (("Y", Y), ("w", w)):
        if name in wanted and name not in pair_wanted:
            results[name] = torch.zeros_like(like)
    return results["h"], results["Y"], results["w"], results["g"]
