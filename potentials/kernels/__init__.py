"""The expensive contractions of equivariant networks, and related elementwise operations, as `torch.library` operators.

Each folder contains one operator: its table of couplings, the reference in plain PyTorch, and the code for CPUs and
GPUs. `registry.py` lists the implementations and `dispatch.py` selects one; models only call the functions exported
here. `boundary.py` checks the arguments of all operators, `autograd.py` contains the code shared by their derivatives,
and `codegen`, which is independent of the operators, writes and compiles code.
"""

from potentials.kernels.block_mixing import MixedBlock, MixingTable, block_mix
from potentials.kernels.edge_geometry import HarmonicsTable, edge_geometry
from potentials.kernels.gate import GatedBlock, GateTable, gate
from potentials.kernels.many_body import ManyBodyTable, many_body, many_body_gradients
from potentials.kernels.message_passing import (
    MessagePath,
    MessageTable,
    RadialSplines,
    message_gradients,
    message_sum,
    spline_message_sum,
)
from potentials.kernels.radial_network import radial_network, row_dot
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
