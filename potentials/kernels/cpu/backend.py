"""The kernels on a CPU: code written for each table and number of channels, compiled once, run on PyTorch's threads.

Code gets addresses: `potentials.kernels.boundary` has seen to types, shapes and order in memory before.
"""

import torch

from potentials.kernels.cpu.block_mixing import block_mix, block_mix_outer, block_mix_transposed
from potentials.kernels.cpu.edge_geometry import (
    edge_geometry,
    edge_geometry_gradient,
    edge_geometry_tangent,
)
from potentials.kernels.cpu.gate import gate, gate_gradients, gate_tangents
from potentials.kernels.cpu.many_body import many_body, many_body_gradients, many_body_tangents
from potentials.kernels.cpu.message_passing import (
    message_gradients,
    message_sum,
    message_tangents,
    spline_message_gradients,
    spline_message_sum,
)
from potentials.kernels.cpu.radial_network import radial_network, radial_network_gradients, row_dot

__all__ = [
    "DTYPES",
    "block_mix",
    "block_mix_outer",
    "block_mix_transposed",
    "edge_geometry",
    "edge_geometry_gradient",
    "edge_geometry_tangent",
    "gate",
    "gate_gradients",
    "gate_tangents",
    "many_body",
    "many_body_gradients",
    "many_body_tangents",
    "message_gradients",
    "message_sum",
    "message_tangents",
    "radial_network",
    "radial_network_gradients",
    "row_dot",
    "spline_message_gradients",
    "spline_message_sum",
]

DTYPES = (torch.float32, torch.float64)
