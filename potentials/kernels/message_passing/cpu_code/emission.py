"""Common code of the message-passing kernels: arguments as dual numbers, couplings, radial weights."""

from __future__ import annotations

import numpy as np

from potentials.kernels.codegen.duals import Dual
from potentials.kernels.codegen.llvm.emitter import Emitter, Number
from potentials.kernels.message_passing.call import MessageKernel
from potentials.kernels.message_passing.formulas import TOLERANCE, coupling_columns
from potentials.kernels.message_passing.table import MessageTable

ARRAYS = ("h", "Y", "w", "g", "dh", "dY", "dw")
TOPOLOGY = ("senders", "receivers", "receiver_pointer", "sender_order", "sender_pointer", "edge_pair", "pair_edges")
SPLINES = ("distances", "coefficients", "grid", "intervals")
PARAMETERS = (*ARRAYS, *TOPOLOGY, *SPLINES, "out_first", "out_second")

_STACK_NUMBERS = 4096


class Emission:
    """Arguments of a kernel as dual numbers, and its couplings."""

    def __init__(self, table: MessageTable, channels: int, bits: int, kernel: MessageKernel) -> None:
        self.table, self.channels, self.kernel = table, channels, kernel
        self.emitter = Emitter(PARAMETERS, bits)
        # Two adjacent registers share the loads of each coupling.
        self.lanes = 2 * self.emitter.register_lanes
        self.addresses = {name: self.emitter.address(name) for name in PARAMETERS if name != "intervals"}
        self.rows_of = {
            "h": table.sender_components,
            "w": len(table.paths),
            "g": table.receiver_components,
        }

    def element(self, name: str, row: Number, component: int, channel: Number, width: int) -> Dual[Number]:
        """Load channels of one component of an argument, and of its direction if there is one."""
        index = row * (self.rows_of[name] * self.channels) + channel + component * self.channels
        return self._dual(name, index, width)

    def harmonic(self, edge: Number, component: int) -> Dual[Number]:
        """Load one spherical harmonic of an edge."""
        return self._dual("Y", edge * self.table.harmonic_components + component, None)

    def _dual(self, name: str, index: Number, width: int | None) -> Dual[Number]:
        value = self.emitter.load(self.addresses[name], index, width)
        if name not in self.kernel.directions:
            return Dual(value)
        return Dual(value, self.emitter.load(self.addresses[f"d{name}"], index, width))

    def stored(self, number: Dual[Number]) -> Number | None:
        """Return the component of a result that the kernel stores."""
        return number.tangent if self.kernel.directions else number.value

    def integer(self, name: str, index: Number) -> Number:
        """Load an entry of the topology."""
        return self.emitter.load_integer(self.addresses[name], index)


class Couplings:
    """Couplings K_ad of the paths, kept for a few edges at a time."""

    def __init__(self, emission: Emission) -> None:
        self.emission = emission
        emitter, table = emission.emitter, emission.table
        self.position: dict[tuple[int, int, int], int] = {}
        columns: list[np.ndarray] = []
        positions: dict[tuple[int, ...], int] = {}
        for (number, a, d), column in coupling_columns(table).items():
            # Paths of copies of a block share their coefficients, and therefore their couplings.
            path = table.paths[number]
            shared = (id(path.coefficients), path.harmonic_start, a, d)
            self.position[number, a, d] = positions.setdefault(shared, len(columns))
            if self.position[number, a, d] == len(columns):
                columns.append(column)
        lanes = emitter.register_lanes
        self.size = -(-max(1, len(columns)) // lanes) * lanes
        matrix = np.zeros((table.harmonic_components, self.size))
        if columns:
            matrix[:, : len(columns)] = np.stack(columns, axis=1)
        self.matrix = matrix
        self.constants = emitter.table(matrix)
        self.has_tangent = "Y" in emission.kernel.directions
        self.block = int(np.clip(_STACK_NUMBERS // self.size, 4, 32))
        self.values = emitter.stack(self.block * self.size)
        self.tangents = emitter.stack(self.block * self.size) if self.has_tangent else None

    def prepare(self, edge: Number, slot: Number) -> None:
        """Compute the couplings of an edge into a slot."""
        emission, emitter = self.emission, self.emission.emitter
        lanes = emitter.register_lanes
        for first in range(0, self.size, lanes):
            total: Dual[Number] | None = None
            for b in np.flatnonzero(np.abs(self.matrix[:, first : first + lanes]).max(axis=1) > TOLERANCE):
                constants = emitter.load(self.constants, emitter.whole(int(b) * self.size + first), lanes)
                term = Dual(constants) * emission.harmonic(edge, int(b))
                total = term if total is None else total + term
            zero = emitter.zero(lanes)
            emitter.store(zero if total is None else total.value, self.values, slot * self.size + first)
            if self.tangents is not None:
                tangent = None if total is None else total.tangent
                emitter.store(zero if tangent is None else tangent, self.tangents, slot * self.size + first)

    def get(self, path: int, a: int, d: int, slot: Number) -> Dual[Number] | None:
        """Return K_ad of the edge in a slot; None if it is always zero."""
        position = self.position.get((path, a, d))
        if position is None:
            return None
        emitter = self.emission.emitter
        index = slot * self.size + position
        value = emitter.load(self.values, index)
        return Dual(value, None if self.tangents is None else emitter.load(self.tangents, index))


class Weights:
    """Radial weights stored in memory."""

    def __init__(self, emission: Emission) -> None:
        self.emission = emission

    def prepare(self, pair: Number, slot: Number) -> None:
        """Prepare the weights of a pair."""

    def get(self, pair: Number, slot: Number, path: int, channel: Number, width: int) -> Dual[Number]:
        """Load channels of the weight of one path."""
        return self.emission.element("w", pair, path, channel, width)
