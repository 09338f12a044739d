"""Calls of the Triton kernels for message passing."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import Tensor

from potentials.kernels.codegen.triton.compiler import load_functions
from potentials.kernels.codegen.triton.programs import block_of
from potentials.kernels.message_passing.call import MessageCall, MessageKernel
from potentials.kernels.message_passing.table import MessageTable
from potentials.kernels.message_passing.triton_code import ARRAYS, write


@cache
def _functions(table: MessageTable, kernel: MessageKernel) -> list[Any]:
    sources = write(table, kernel)
    return load_functions([source.text() for source in sources], [source.name for source in sources])


class _Call(MessageCall):
    """A call that launches the functions of its kernels."""

    def run(self, kernel: MessageKernel, first: Tensor, second: Tensor) -> None:
        """Run a kernel; see `MessageCall`."""
        block = block_of(self.channels)
        grid: tuple[int, ...] = (self.topology.num_pairs,)
        if kernel.output in "gh":
            grid = (self.topology.num_nodes, -(-self.channels // block))
        # Arguments that a kernel does not read can have any value; outputs that it does not write give the dtype of its
        # sums.
        arrays = [self.arguments.get(name, self.like) for name in ARRAYS]
        outputs = [x if x.numel() else self.like for x in (first, second)]
        for function in _functions(self.table, kernel):
            function[grid](*arrays, *self.topology, *outputs, CHANNELS=self.channels, BLOCK=block, num_warps=2)


message_sum = _Call.message_sum
message_gradients = _Call.message_gradients
message_tangents = _Call.message_tangents
