r"""Radial networks: functions of the distance of a pair of edges, with their derivatives (slopes).

A multilayer perceptron without bias, x_{k+1} = s_k silu(x_k) W_k (without silu before the first layer), of F_0
functions of the distance r of each pair. Values and slopes (x, dx/dr) are computed together, so that

.. math:: \frac{dE}{dr_p} = \sum_f \frac{dE}{dx_{pf}} \frac{dx_{pf}}{dr_p}

needs no backward pass through the network: the force pass is a scalar product of rows (`row_dot`), and the loss is
differentiated once through values and slopes (`radial_network_gradients`).

Shapes: values, slopes [W, F_0]; weight [K], the concatenated matrices [F_k, F_{k+1}]; outputs [W, F].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, pulled_back, register_operator
from potentials.kernels.boundary import first_operand, operand
from potentials.kernels.dispatch import implementation
from potentials.kernels.radial_network import composed, cpu, reference
from potentials.kernels.registry import register_implementations

_library = torch.library.Library("potentials", "FRAGMENT")
_library.define(
    "radial_network(Tensor values, Tensor slopes, Tensor weight, int[] sizes, float[] scales, bool keep)"
    " -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "radial_network_gradients(Tensor values, Tensor slopes, Tensor weight, Tensor hidden, Tensor by_values, "
    "Tensor by_slopes, int[] sizes, float[] scales, bool inputs_wanted) -> (Tensor, Tensor, Tensor)"
)
_library.define("row_dot(Tensor left, Tensor right) -> Tensor")


def radial_network(
    values: Tensor, slopes: Tensor, weight: Tensor, sizes: Sequence[int], scales: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Evaluate the network.

    Args:
        values, slopes: inputs and their derivatives with respect to the distance of the pair [W, F_0].
        weight: the concatenated matrices [K].
        sizes: F_0, F_1, ...
        scales: factor of each layer's matrix.

    Returns:
        Outputs and their derivatives with respect to the distance, both [W, F]. Second and higher derivatives fall back
        on plain PyTorch.

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (values, slopes, weight))
    return _call_radial_network(values, slopes, weight, list(sizes), list(scales), keep)[:2]


def row_dot(left: Tensor, right: Tensor) -> Tensor:
    """Compute sum_f left_nf right_nf [N] of two tensors [N, F].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_row_dot(left, right)


def _checked(
    operator: str, values: Tensor, slopes: Tensor, weight: Tensor, sizes: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Check dtypes, devices and shapes of inputs and matrices."""
    values = first_operand(operator, "values", values, 2)
    values = operand(operator, "values", values, values, (values.shape[0], sizes[0]))
    slopes = operand(operator, "slopes", slopes, values, values.shape)
    numbers = sum(rows * columns for rows, columns in itertools.pairwise(sizes))
    return values, slopes, operand(operator, "weight", weight, values, (numbers,))


def _network(
    is_composed: bool,
    values: Tensor,
    slopes: Tensor,
    weight: Tensor,
    sizes: Sequence[int],
    scales: Sequence[float],
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    values, slopes, weight = _checked("radial_network", values, slopes, weight, sizes)
    if is_composed:
        return reference.radial_network(values, slopes, weight, sizes, scales, False)
    return implementation("radial_network", values)(values, slopes, weight, sizes, scales, keep)


def _gradients(
    is_composed: bool,
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
    operator = "radial_network_gradients"
    values, slopes, weight = _checked(operator, values, slopes, weight, sizes)
    pairs = values.shape[0]
    by_values, by_slopes = (
        operand(operator, name, tensor, values, (pairs, sizes[-1]))
        for name, tensor in (("by_values", by_values), ("by_slopes", by_slopes))
    )
    if is_composed:
        return composed.radial_network_gradients(
            values, slopes, weight, by_values, by_slopes, sizes, scales, inputs_wanted
        )
    hidden = operand(operator, "hidden", hidden, values, (2 * pairs * sum(sizes[1:-1]),))
    return implementation(operator, values)(
        values, slopes, weight, hidden, by_values, by_slopes, sizes, scales, inputs_wanted
    )


def _dot(is_composed: bool, left: Tensor, right: Tensor) -> Tensor:
    left = first_operand("row_dot", "left", left, 2)
    right = operand("row_dot", "right", right, left, left.shape)
    return (reference.row_dot if is_composed else implementation("row_dot", left))(left, right)


def _fake_network(
    values: Tensor, slopes: Tensor, weight: Tensor, sizes: Sequence[int], scales: Sequence[float], keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    pairs = values.shape[0]
    outputs = [values.new_empty(pairs, sizes[-1]) for _ in range(2)]
    return outputs[0], outputs[1], values.new_empty(2 * pairs * sum(sizes[1:-1]) if keep else 0)


def _fake_gradients(values: Tensor, slopes: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    inputs = [values.new_empty(values.shape if rest[-1] else 0) for _ in range(2)]
    return weight.new_empty(weight.shape), inputs[0], inputs[1]


def _fake_dot(left: Tensor, right: Tensor) -> Tensor:
    return left.new_empty(left.shape[0])


def _save_network(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.sizes, ctx.scales, _ = inputs
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(*tensors, output[2])


def _network_backward(ctx: Any, by_values: Tensor, by_slopes: Tensor, _: Any) -> tuple[Any, ...]:
    values, slopes, weight, hidden = ctx.saved_tensors
    inputs_wanted = is_wanted(ctx, 0) or is_wanted(ctx, 1)
    by_weight, *by_inputs = _call_radial_network_gradients(
        values, slopes, weight, hidden, by_values, by_slopes, ctx.sizes, ctx.scales, inputs_wanted
    )
    return *(by_inputs if inputs_wanted else (None, None)), by_weight, None, None, None


def _save_gradients(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.set_materialize_grads(False)
    values, slopes, weight, _, by_values, by_slopes, ctx.sizes, ctx.scales, ctx.inputs_wanted = inputs
    ctx.save_for_backward(values, slopes, weight, by_values, by_slopes)


def _gradients_backward(ctx: Any, *directions: Tensor | None) -> tuple[Any, ...]:
    """Compute second derivatives by differentiating the reference, which computes the hidden values from the inputs."""
    needed = [ctx.needs_input_grad[position] for position in (0, 1, 2, 4, 5)]
    wanted = [position for position, is_needed in enumerate(needed) if is_needed]

    def gradients(v: Tensor, s: Tensor, w: Tensor, by_v: Tensor, by_s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return composed.radial_network_gradients(v, s, w, by_v, by_s, ctx.sizes, ctx.scales, ctx.inputs_wanted)

    values, slopes, weight, by_values, by_slopes = pulled_back(gradients, ctx.saved_tensors, wanted, directions)
    return values, slopes, weight, None, by_values, by_slopes, None, None, None


def _save_dot(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _dot_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    left, right = ctx.saved_tensors
    column = v.unsqueeze(1)
    return column * right if is_wanted(ctx, 0) else None, column * left if is_wanted(ctx, 1) else None


register_implementations("radial_network", reference=reference.radial_network, cpu=cpu.radial_network)
register_implementations(
    "radial_network_gradients", reference=reference.radial_network_gradients, cpu=cpu.radial_network_gradients
)
register_implementations("row_dot", reference=reference.row_dot, cpu=cpu.row_dot)
_call_radial_network = register_operator(
    _library,
    "radial_network",
    partial(_network, False),
    partial(_network, True),
    _fake_network,
    _save_network,
    _network_backward,
)
_call_radial_network_gradients = register_operator(
    _library,
    "radial_network_gradients",
    partial(_gradients, False),
    partial(_gradients, True),
    _fake_gradients,
    _save_gradients,
    _gradients_backward,
)
_call_row_dot = register_operator(
    _library, "row_dot", partial(_dot, False), partial(_dot, True), _fake_dot, _save_dot, _dot_backward
)
