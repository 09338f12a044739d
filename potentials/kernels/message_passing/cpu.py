"""Calls of the CPU kernels for message passing."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.message_passing import cpu_code
from potentials.kernels.message_passing.call import MessageCall, MessageKernel
from potentials.kernels.message_passing.splines import RadialSplines
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.topology import EdgeTopology
from potentials.kernels.transforms import kept_constants


@cache
def _message_code(table: MessageTable, channels: int, bits: int, kernel: MessageKernel) -> int:
    return compiled(cpu_code.emit, table, channels, bits, kernel)


@kept_constants(64)
def _grid(start: float, step: float, dtype: torch.dtype) -> Tensor:
    """Create the constants of the splines' intervals: start, width and inverse width."""
    return torch.tensor([start, step, 1 / step], dtype=dtype, device="cpu")


class _Call(MessageCall):
    """A call with the addresses of all arguments of its kernels."""

    def __init__(
        self,
        table: MessageTable,
        topology: EdgeTopology,
        h: Tensor,
        splines: RadialSplines | None = None,
        **others: Tensor | None,
    ) -> None:
        if splines is not None:
            grid = _grid(splines.start, splines.step, h.dtype)
            others |= {"coefficients": splines.coefficients, "grid": grid}
        super().__init__(table, topology, h, **others)
        words = {name: value.data_ptr() for name, value in self.arguments.items()}
        words["intervals"] = 0 if splines is None else splines.coefficients.shape[0]
        self.words = [
            *(words.get(name, 0) for name in cpu_code.ARRAYS),
            *(indices.data_ptr() for indices in topology),
            *(words.get(name, 0) for name in cpu_code.SPLINES),
        ]

    def run(self, kernel: MessageKernel, first: Tensor, second: Tensor) -> None:
        """Run a kernel; see `MessageCall`."""
        rows = self.topology.num_nodes if kernel.output in "gh" else self.topology.num_pairs
        code = _message_code(self.table, self.channels, bits_of(self.like), kernel)
        run_rows(code, rows, [*self.words, first.data_ptr(), second.data_ptr()])


message_sum = _Call.message_sum
message_gradients = _Call.message_gradients
message_tangents = _Call.message_tangents


def spline_message_sum(
    table: MessageTable, h: Tensor, Y: Tensor, distances: Tensor, splines: RadialSplines, topology: EdgeTopology
) -> Tensor:
    """Compute dQ/dg [N, D, C] with splines as radial weights."""
    return _Call(table, topology, h, splines, Y=Y, distances=distances).node_sum("g")


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
    """Compute dQ/dh, dQ/dY and dQ/dr [W, 1], as far as requested."""
    return _Call(table, topology, h, splines, Y=Y, distances=distances, g=g).gradients(wanted)
