"""The gated nonlinearity: scalars pass an activation, every other block is multiplied by an activated gate."""

from potentials.kernels.gate.operator import gate
from potentials.kernels.gate.table import GatedBlock, GateTable

__all__ = ["GateTable", "GatedBlock", "gate"]
