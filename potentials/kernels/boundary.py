"""The boundary of the operators: what every implementation may rely on is checked here, once per call.

Behind it all floating arguments have one type and one device, indices are int64, shapes are those that the tables say,
and everything is contiguous. Compiled code gets addresses: it cannot notice any of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.topology import EdgeTopology


def first_operand(operator: str, name: str, tensor: Tensor, dimensions: int) -> Tensor:
    """The argument that says type and device of all others, contiguous.

    Raises:
        OperatorError: it has no floating type, or not this number of dimensions.
    """
    if not tensor.is_floating_point() or tensor.dim() != dimensions:
        raise OperatorError(
            f"{operator}: {name}: expected floating point numbers in {dimensions} dimensions; got {_described(tensor)}"
        )
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def operand(operator: str, name: str, tensor: Tensor, like: Tensor, shape: Sequence[int]) -> Tensor:
    """A floating argument of the type and device of another one, and of this shape, contiguous.

    Raises:
        OperatorError: it is not.
    """
    if tensor.dtype is not like.dtype or tensor.shape != shape or tensor.device != like.device:
        _refuse(operator, name, tensor, like.dtype, like, shape)
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def indices(operator: str, name: str, tensor: Tensor, like: Tensor, shape: Sequence[int]) -> Tensor:
    """An argument of int64 on the device of another one, and of this shape, contiguous.

    Raises:
        OperatorError: it is not.
    """
    if tensor.dtype is not torch.int64 or tensor.shape != shape or tensor.device != like.device:
        _refuse(operator, name, tensor, torch.int64, like, shape)
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def optional_operand(
    operator: str, name: str, tensor: Tensor | None, like: Tensor, shape: Sequence[int]
) -> Tensor | None:
    """`operand` for an argument that may be absent."""
    return None if tensor is None else operand(operator, name, tensor, like, shape)


def topology_operands(operator: str, topology: Sequence[Tensor], like: Tensor) -> EdgeTopology:
    """The edges, all int64 and contiguous, with the shapes that `EdgeTopology` says.

    Raises:
        OperatorError: they are not.
    """
    given = EdgeTopology(*topology)
    edges, nodes = (given.senders.numel(),), (given.receiver_pointer.numel(),)
    shapes = (edges, edges, nodes, edges, nodes, edges, (*given.pair_edges.shape[:1], 2))
    # Nearly always all is well, and there are seven tensors.
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
        f"{operator}: {name}: expected {dtype} {list(shape)} on {like.device}; got {_described(tensor)}. All floating "
        "arguments of an operator have one type and one device, and indices are torch.int64: convert this one with "
        "`.to(...)`"
    )
