"""Linear maps of the channels within each block of a feature tensor, with one matrix or one per species."""

from potentials.kernels.block_mixing.operator import block_mix
from potentials.kernels.block_mixing.table import MixedBlock, MixingTable

__all__ = ["MixedBlock", "MixingTable", "block_mix"]
