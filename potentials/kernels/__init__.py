"""The two contractions that carry the cost of equivariant message passing, as `torch.library` operators.

`message_passing` sums h (x) Y(r) messages over sorted edges; `many_body` evaluates sparse symmetric polynomials of node
features. Both take a table that says which components couple, and both are closed under differentiation. Models call
the functions exported here and never ask which implementation runs.
"""

from potentials.kernels.block_mixing import block_mix
from potentials.kernels.many_body import many_body, many_body_gradients
from potentials.kernels.message_passing import message_gradients, message_sum
from potentials.kernels.tables import ManyBodyTable, MessagePath, MessageTable, MixedBlock, MixingTable
from potentials.kernels.topology import EdgeTopology

__all__ = [
    "EdgeTopology",
    "ManyBodyTable",
    "MessagePath",
    "MessageTable",
    "MixedBlock",
    "MixingTable",
    "block_mix",
    "many_body",
    "many_body_gradients",
    "message_gradients",
    "message_sum",
]
