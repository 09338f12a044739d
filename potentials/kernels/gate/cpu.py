"""Calls of the CPU kernels for gates."""

from __future__ import annotations

from functools import cache

from torch import Tensor

from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.gate import cpu_code
from potentials.kernels.gate.cpu_code import GateKernel
from potentials.kernels.gate.table import GateTable
from potentials.kernels.memory import allocate


@cache
def _code(table: GateTable, channels: int, kernel: GateKernel, bits: int) -> int:
    return compiled(cpu_code.emit, table, channels, kernel, bits)


def _run(table: GateTable, kernel: GateKernel, **given: Tensor) -> None:
    words = [given[name].data_ptr() if name in given else 0 for name in cpu_code.PARAMETERS]
    x = given["x"]
    if x.numel():
        run_rows(_code(table, x.shape[2], kernel, bits_of(x)), x.shape[0], words)


def gate(table: GateTable, x: Tensor, gates: Tensor) -> Tensor:
    """Compute the activated features [N, D, C]."""
    result = allocate(x, *x.shape)
    _run(table, "value", x=x, gates=gates, out_first=result)
    return result


def gate_gradients(table: GateTable, x: Tensor, gates: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of g . y with respect to x and gates."""
    by_x, by_gates = allocate(x, *x.shape), allocate(x, *gates.shape)
    _run(table, "gradients", x=x, gates=gates, g=g, out_first=by_x, out_second=by_gates)
    return by_x, by_gates


def gate_tangents(
    table: GateTable, x: Tensor, gates: Tensor, g: Tensor, v: Tensor, v_gates: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients, with respect to x, gates and g, of the product of the gradients with (v, v_gates)."""
    first, second, third = allocate(x, *x.shape), allocate(x, *gates.shape), allocate(x, *x.shape)
    given = {"x": x, "gates": gates, "g": g, "v": v, "v_gates": v_gates}
    _run(table, "tangents", **given, out_first=first, out_second=second, out_third=third)
    return first, second, third
