"""CPU code for message passing: sums over the edges of each atom, and over the channels of each pair of edges."""

from potentials.kernels.message_passing.cpu_code.emission import ARRAYS, SPLINES
from potentials.kernels.message_passing.cpu_code.kernels import emit

__all__ = ["ARRAYS", "SPLINES", "emit"]
