"""The kernels in plain PyTorch: any device, any floating dtype. Everything else is measured against these.

None of these functions needs to be differentiable: the operators register their own derivatives.
"""

from potentials.kernels.reference.block_mixing import block_mix, block_mix_outer, block_mix_transposed
from potentials.kernels.reference.edge_geometry import (
    edge_geometry,
    edge_geometry_gradient,
    edge_geometry_tangent,
)
from potentials.kernels.reference.gate import gate, gate_gradients, gate_tangents
from potentials.kernels.reference.many_body import many_body, many_body_gradients, many_body_tangents
from potentials.kernels.reference.message_passing import (
    message_grad_h,
    message_grad_w,
    message_grad_Y,
    message_gradients,
    message_sum,
    message_tangents,
)
from potentials.kernels.reference.radial_network import radial_network, radial_network_gradients, row_dot
from potentials.kernels.reference.splines import evaluate_splines, spline_message_gradients, spline_message_sum

__all__ = [
    "block_mix",
    "block_mix_outer",
    "block_mix_transposed",
    "edge_geometry",
    "edge_geometry_gradient",
    "edge_geometry_tangent",
    "evaluate_splines",
    "gate",
    "gate_gradients",
    "gate_tangents",
    "many_body",
    "many_body_gradients",
    "many_body_tangents",
    "message_grad_Y",
    "message_grad_h",
    "message_grad_w",
    "message_gradients",
    "message_sum",
    "message_tangents",
    "radial_network",
    "radial_network_gradients",
    "row_dot",
    "spline_message_gradients",
    "spline_message_sum",
]
