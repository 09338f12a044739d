"""The gated nonlinearity: an activation of the scalars, and products of all other blocks with activated gates."""

from potentials.kernels.gate.operator import gate
from potentials.kernels.gate.table import GatedBlock, GateTable

__all__ = ["GateTable", "GatedBlock", "gate"]
