r"""Radial networks: functions of the distance of a pair of edges, with their slopes.

A multilayer perceptron without bias, x_{k+1} = s_k silu(x_k) W_k (silu not before the first layer), of F_0 functions of
one distance r per pair. Value and slope are carried together, (x, dx/dr), so that

.. math:: \frac{dE}{dr_p} = \sum_f \frac{dE}{dx_{pf}} \frac{dx_{pf}}{dr_p}

needs no pass back through the network: the force pass is a scalar product of rows (`row_dot`), and the loss goes back
through values and slopes once (`radial_network_gradients`).

Shapes: values, slopes [W, F_0]; weight [K], the matrices [F_k, F_{k+1}] one after the other; outputs [W, F].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, register_operator
from potentials.kernels.dispatch import implementation

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
        values, slopes: its inputs and their derivatives with respect to the pair's distance [W, F_0].
        weight: the matrices, one after the other.
        sizes: F_0, F_1, ...
        scales: factor of each layer's matrix.

    Returns:
        Outputs and their derivatives with respect to the distance, [W, F] both. They can be differentiated once, with
        respect to the weight and the inputs.
    """
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (values, slopes, weight))
    return _call_radial_network(values, slopes, weight, list(sizes), list(scales), keep)[:2]


def row_dot(left: Tensor, right: Tensor) -> Tensor:
    """sum_f left_nf right_nf, [N, F] twice to [N]."""
    return _call_row_dot(left, right)


def _network(values: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return implementation(values).radial_network(values, *rest)


def _gradients(values: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return implementation(values).radial_network_gradients(values, *rest)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return implementation(left).row_dot(left, right)


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


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _no_derivative(ctx: Any, *gradients: Any) -> Any:
    raise NotImplementedError(
        "the gradient of a radial network's weights cannot be differentiated again; "
        "`RadialFunctions.at` is the same network in plain PyTorch, which can"
    )


def _save_dot(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _dot_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    left, right = ctx.saved_tensors
    column = v.unsqueeze(1)
    return column * right if is_wanted(ctx, 0) else None, column * left if is_wanted(ctx, 1) else None


_call_radial_network = register_operator(
    _library, "radial_network", _network, _fake_network, _save_network, _network_backward
)
_call_radial_network_gradients = register_operator(
    _library, "radial_network_gradients", _gradients, _fake_gradients, _save_nothing, _no_derivative
)
_call_row_dot = register_operator(_library, "row_dot", _dot, _fake_dot, _save_dot, _dot_backward)
