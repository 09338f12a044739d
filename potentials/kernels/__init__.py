"""The two contractions that carry the cost of equivariant message passing, as `torch.library` operators.

`message_passing` sums h (x) Y(r) messages over sorted edges; `many_body` evaluates sparse symmetric polynomials of node
features. Both take a table that says which components couple, and both are closed under differentiation. Models call
the functions exported here and never ask which implementation runs.
"""

from potentials.kernels.block_mixing import block_mix
from potentials.kernels.edge_geometry import edge_geometry
from potentials.kernels.gate import gate
from potentials.kernels.many_body import many_body, many_body_gradients
from potentials.kernels.message_passing import message_gradients, message_sum
from potentials.kernels.radial_network import radial_network, row_dot
from potentials.kernels.spline_messages import spline_message_sum
from potentials.kernels.tables import (
    GatedBlock,
    GateTable,
    HarmonicsTable,
    ManyBodyTable,
    MessagePath,
    MessageTable,
    MixedBlock,
    MixingTable,
    RadialSplines,
)
from potentials.kernels.topology import EdgeTopology
from potentials.kernels.vector_math import settle_vector_functions
from potentials.openmp import release_environment

release_environment()
settle_vector_functions()

__all__ = [
    "EdgeTopology",
    "GateTable",
    "GatedBlock",
    "HarmonicsTable",
    "ManyBodyTable",
    "MessagePath",
    "MessageTable",
    "MixedBlock",
    "MixingTable",
    "RadialSplines",
    "block_mix",
    "edge_geometry",
    "gate",
    "many_body",
    "many_body_gradients",
    "message_gradients",
    "message_sum",
    "radial_network",
    "row_dot",
    "spline_message_sum",
]
