"""CPU code for gates: one atom per row, vectorized over channels."""

from __future__ import annotations

from typing import Literal, NamedTuple

from llvmlite import ir

from potentials.kernels.codegen.llvm.emitter import Emitter, Number
from potentials.kernels.codegen.llvm.functions import silu, tanh
from potentials.kernels.gate.table import GateTable

PARAMETERS = ("x", "gates", "g", "v", "v_gates", "out_first", "out_second", "out_third")
GateKernel = Literal["value", "gradients", "tangents"]


class _Place(NamedTuple):
    """A block of channels of one atom."""

    emitter: Emitter
    row: Number
    channel: Number
    width: int
    channels: int

    def _index(self, components: int, component: int) -> Number:
        return self.row * (components * self.channels) + component * self.channels + self.channel

    def load(self, name: str, components: int, component: int) -> Number:
        return self.emitter.load(self.emitter.address(name), self._index(components, component), self.width)

    def store(self, number: Number, name: str, components: int, component: int) -> None:
        self.emitter.store(number, self.emitter.address(name), self._index(components, component))


def emit(table: GateTable, channels: int, kernel: GateKernel, bits: int) -> ir.Function:
    """Write a kernel: the gate, its gradients with respect to x and gates, or their derivatives along (v, v_gates)."""
    emitter = Emitter(PARAMETERS, bits)
    write_scalar = {"value": _scalar_value, "gradients": _scalar_gradient, "tangents": _scalar_tangents}[kernel]
    write_gated = {"value": _gated_value, "gradients": _gated_gradients, "tangents": _gated_tangents}[kernel]
    with emitter.rows() as row:
        for channel, width in emitter.channel_blocks(channels, emitter.register_lanes):
            place = _Place(emitter, row, channel, width, channels)
            gate = 0
            for block in table.blocks:
                for copy in range(block.copies):
                    if block.is_scalar:
                        write_scalar(table, place, block.start + copy, block.is_even)
                    else:
                        write_gated(table, place, block.rows(copy), gate)
                        gate += 1
    return emitter.function


def _activation(table: GateTable, x: Number, even: bool) -> tuple[Number, Number, Number]:
    factor = table.even_factor if even else table.odd_factor
    value, first, second = (silu if even else tanh)(x)
    return value * factor, first * factor, second * factor


def _scalar_value(table: GateTable, place: _Place, component: int, even: bool) -> None:
    value, _, _ = _activation(table, place.load("x", table.components, component), even)
    place.store(value, "out_first", table.components, component)


def _scalar_gradient(table: GateTable, place: _Place, component: int, even: bool) -> None:
    _, first, _ = _activation(table, place.load("x", table.components, component), even)
    place.store(first * place.load("g", table.components, component), "out_first", table.components, component)


def _scalar_tangents(table: GateTable, place: _Place, component: int, even: bool) -> None:
    _, first, second = _activation(table, place.load("x", table.components, component), even)
    g, v = (place.load(name, table.components, component) for name in ("g", "v"))
    place.store(second * g * v, "out_first", table.components, component)
    place.store(first * v, "out_third", table.components, component)


def _gated_value(table: GateTable, place: _Place, components: range, gate: int) -> None:
    value, _, _ = _activation(table, place.load("gates", table.gates, gate), True)
    for component in components:
        x = place.load("x", table.components, component)
        place.store(value * x, "out_first", table.components, component)


def _gated_gradients(table: GateTable, place: _Place, components: range, gate: int) -> None:
    value, first, _ = _activation(table, place.load("gates", table.gates, gate), True)
    total: Number | None = None
    for component in components:
        x, g = (place.load(name, table.components, component) for name in ("x", "g"))
        place.store(value * g, "out_first", table.components, component)
        total = x * g if total is None else total + x * g
    if total is not None:
        place.store(first * total, "out_second", table.gates, gate)


def _gated_tangents(table: GateTable, place: _Place, components: range, gate: int) -> None:
    value, first, second = _activation(table, place.load("gates", table.gates, gate), True)
    v_gate = place.load("v_gates", table.gates, gate)
    xg: Number | None = None
    vg: Number | None = None
    for component in components:
        x, g, v = (place.load(name, table.components, component) for name in ("x", "g", "v"))
        place.store(first * g * v_gate, "out_first", table.components, component)
        place.store(value * v + first * x * v_gate, "out_third", table.components, component)
        xg = x * g if xg is None else xg + x * g
        vg = v * g if vg is None else vg + v * g
    if xg is not None and vg is not None:
        place.store(second * xg * v_gate + first * vg, "out_second", table.gates, gate)
