"""The kernels on a GPU: message passing and many-body products by Triton, the rest in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from potentials.kernels.codegen.triton.programs import can_run_on
from potentials.kernels.gpu.many_body import many_body, many_body_gradients, many_body_tangents
from potentials.kernels.gpu.message_passing import message_gradients, message_sum, message_tangents
from potentials.kernels.reference import (
    block_mix,
    block_mix_outer,
    block_mix_transposed,
    edge_geometry,
    edge_geometry_gradient,
    edge_geometry_tangent,
    gate,
    gate_gradients,
    gate_tangents,
    radial_network,
    radial_network_gradients,
    row_dot,
    spline_message_gradients,
    spline_message_sum,
)

__all__ = [
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
    "serves",
    "spline_message_gradients",
    "spline_message_sum",
]

_DTYPES = (torch.float32, torch.float64)


def serves(tensor: Tensor) -> bool:
    """Whether Triton computes with tensors like this one."""
    return tensor.dtype in _DTYPES and can_run_on(tensor.device)
