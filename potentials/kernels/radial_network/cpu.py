"""Calls of the CPU kernels for radial networks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from potentials.kernels.codegen.llvm.compiler import compiled
from potentials.kernels.codegen.llvm.threads import bits_of, run_rows
from potentials.kernels.radial_network import cpu_code
from potentials.kernels.radial_network.cpu_code import ELEMENT_BLOCK, PAIR_BLOCK, RadialKernel


@cache
def _network_code(kernel: RadialKernel, bits: int) -> int:
    return compiled(cpu_code.emit, kernel, bits)


@cache
def _activation_code(bits: int) -> int:
    return compiled(cpu_code.emit_activation_gradient, bits)


@cache
def _row_dot_code(size: int, bits: int) -> int:
    return compiled(cpu_code.emit_row_dot, size, bits)


def radial_network(
    values: Tensor, slopes: Tensor, weight: Tensor, sizes: Sequence[int], scales: Sequence[float], keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute outputs and their slopes [W, F], and the inputs of the activations if they are kept."""
    pairs = values.shape[0]
    outputs, slopes_out = (values.new_empty(pairs, sizes[-1]) for _ in range(2))
    hidden = values.new_empty(2 * pairs * sum(sizes[1:-1]) if keep else 0)
    if outputs.numel():
        kept = [values, slopes, weight, outputs, slopes_out, hidden]
        code = _network_code(RadialKernel(tuple(sizes), tuple(scales), keep), bits_of(values))
        run_rows(code, -(-pairs // PAIR_BLOCK), [pairs, *(tensor.data_ptr() for tensor in kept)])
    return outputs, slopes_out, hidden


def radial_network_gradients(
    values: Tensor,
    slopes: Tensor,
    weight: Tensor,
    hidden: Tensor,
    by_values: Tensor,
    by_slopes: Tensor,
    sizes: Sequence[int],
    scales: Sequence[float],
    inputs_wanted: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute gradients with respect to the weight and, if requested, to values and slopes."""
    pairs = values.shape[0]
    before = hidden.split([2 * pairs * size for size in sizes[1:-1]])
    by_weight = torch.empty_like(weight)
    numbers = [rows * columns for rows, columns in itertools.pairwise(sizes)]
    layers = list(zip(weight.split(numbers), by_weight.split(numbers), itertools.pairwise(sizes), strict=True))
    # Two tensors at the last layer; at earlier layers one tensor, with the rows of the values followed by the slopes.
    gradients: tuple[Tensor, ...] = (by_values, by_slopes)
    for layer, (matrix, by_matrix, shape) in reversed(list(enumerate(layers))):
        passed = None
        if layer or inputs_wanted:
            passed = _passed(gradients, matrix.view(shape), scales[layer])
        if layer and passed is not None:
            activations = torch.empty_like(passed)
            _activation_gradient(before[layer - 1], activations, passed)
        else:
            activations = torch.cat([values, slopes])
        _outer(activations, gradients, scales[layer], by_matrix.view(shape))
        if passed is not None:
            gradients = (passed,)
    if not inputs_wanted:
        return by_weight, values.new_empty(0), values.new_empty(0)
    return by_weight, gradients[0][:pairs], gradients[0][pairs:]


def _passed(gradients: tuple[Tensor, ...], matrix: Tensor, scale: float) -> Tensor:
    """Multiply the concatenated gradients by the transposed matrix."""
    transposed = (matrix * scale).T
    rows = [part.shape[0] for part in gradients]
    result = matrix.new_empty(sum(rows), matrix.shape[0])
    for part, place in zip(gradients, result.split(rows), strict=True):
        torch.mm(part, transposed, out=place)
    return result


def _outer(inputs: Tensor, gradients: tuple[Tensor, ...], scale: float, result: Tensor) -> None:
    """Multiply the transposed inputs by the concatenated gradients."""
    rows = inputs.split([part.shape[0] for part in gradients])
    for number, (some, part) in enumerate(zip(rows, gradients, strict=True)):
        torch.addmm(result, some.T, part, beta=min(number, 1), alpha=scale, out=result)


def _activation_gradient(hidden: Tensor, activations: Tensor, gradients: Tensor) -> None:
    count = gradients.numel() // 2
    words = [count, *(tensor.data_ptr() for tensor in (hidden, activations, gradients))]
    run_rows(_activation_code(bits_of(gradients)), -(-count // ELEMENT_BLOCK), words)


def row_dot(left: Tensor, right: Tensor) -> Tensor:
    """Compute the scalar product of each row [N]."""
    rows, size = left.shape
    if size == 0:
        return left.new_zeros(rows)
    result = left.new_empty(rows)
    kept = [left, right, result]
    run_rows(_row_dot_code(size, bits_of(left)), rows, [tensor.data_ptr() for tensor in kept])
    return result
