"""Checks of the operators' arguments, once per call.

After these checks all floating-point arguments have the same dtype and device, indices are int64, shapes agree with the
tables, and all tensors are contiguous. Compiled code only receives addresses and cannot check any of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.topology import EdgeTopology


def first_operand(operator: str, name: str, tensor: Tensor, dimensions: int) -> Tensor:
    """Return the argument that determines dtype and device of all others, contiguous.

    Raises:
        OperatorError: it is not a floating-point tensor, or does not have this number of dimensions.
    """
    if not tensor.is_floating_point() or tensor.dim() != dimensions:
        raise OperatorError(
            f"{operator}: {name}: expected a floating-point tensor of {dimensions} dimensions; got {_described(tensor)}"
        )
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def operand(operator: str, name: str, tensor: Tensor, like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return a floating-point argument, contiguous.

    Raises:
        OperatorError: dtype or device differ from those of `like`, or the shape is not `shape`.
    """
    if tensor.dtype is not like.dtype or tensor.shape != shape or tensor.device != like.device:
        _refuse(operator, name, tensor, like.dtype, like, shape)
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def indices(operator: str, name: str, tensor: Tensor, like: Tensor, shape: Sequence[int]) -> Tensor:
    """Return an int64 argument, contiguous.

    Raises:
        OperatorError: it is not int64, not on the device of `like`, or the shape is not `shape`.
    """
    if tensor.dtype is not torch.int64 or tensor.shape != shape or tensor.device != like.device:
        _refuse(operator, name, tensor, torch.int64, like, shape)
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def optional_operand(
    operator: str, name: str, tensor: Tensor | None, like: Tensor, shape: Sequence[int]
) -> Tensor | None:
    """Apply `operand` to an argument that may be None."""
    return None if tensor is None else operand(operator, name, tensor, like, shape)


def topology_operands(operator: str, topology: Sequence[Tensor], like: Tensor) -> EdgeTopology:
    """Return the edges, all int64 and contiguous.

    Raises:
        OperatorError: a tensor is not int64 or not on the device of `like`, or the shapes are not those of
            `EdgeTopology`.
    """
    given = EdgeTopology(*topology)
    edges, nodes = (given.senders.numel(),), (given.receiver_pointer.numel(),)
    shapes = (edges, edges, nodes, edges, nodes, edges, (*given.pair_edges.shape[:1], 2))
    # A fast check of all seven tensors at once: it nearly always passes.
    on_cpu = like.is_cpu
    for tensor, shape in zip(given, shapes, strict=True):
        if tensor.dtype is not torch.int64 or tensor.shape != shape or not tensor.is_contiguous():
            break
        if not (tensor.is_cpu if on_cpu else tensor.device == like.device):
            break
    else:
        return given
    return EdgeTopology(
        *(
            indices(operator, name, tensor, like, shape)
            for name, tensor, shape in zip(EdgeTopology._fields, given, shapes, strict=True)
        )
    )


def _described(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}"


def _refuse(operator: str, name: str, tensor: Tensor, dtype: torch.dtype, like: Tensor, shape: Sequence[int]) -> None:
    one_device = tensor.device == like.device or {tensor.device.type, like.device.type} == {"cpu"}
    if tensor.dtype is dtype and tensor.shape == tuple(shape) and one_device:
        return  # cpu and cpu:0 are one device
    raise OperatorError(
        f"{operator}: {name}: expected {dtype} {list(shape)} on {like.device}; got {_described(tensor)}. All "
        "floating-point arguments of an operator must have the same dtype and device, and indices must be torch.int64: "
        "convert this argument with `.to(...)`"
    )
