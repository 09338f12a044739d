r"""The gated nonlinearity: scalars pass an activation, every other block is multiplied by an activated gate.

.. math:: y_{lm} = x_{lm}\, f(\gamma_l) \quad (l > 0), \qquad y_0 = f(x_0)

with f = c silu for even scalars and gates and c tanh for odd scalars. Three operators, the value, its gradients and
their derivatives along a direction; derivatives of higher order fall back on plain PyTorch.

Shapes: x, y [N, D, C]; gates [N, G, C], one for each block of degree > 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from potentials.kernels import reference
from potentials.kernels.autograd import apart, is_wanted, register_operator
from potentials.kernels.dispatch import implementation
from potentials.kernels.tables import GateTable

_library = torch.library.Library("potentials", "FRAGMENT")
_REST = "int[] blocks, float even_factor, float odd_factor"
_library.define(f"gate(Tensor x, Tensor gates, {_REST}) -> Tensor")
_library.define(f"gate_gradients(Tensor x, Tensor gates, Tensor g, {_REST}) -> (Tensor, Tensor)")
_library.define(
    f"gate_tangents(Tensor x, Tensor gates, Tensor g, Tensor v, Tensor v_gates, {_REST}) -> (Tensor, Tensor, Tensor)"
)


def gate(table: GateTable, x: Tensor, gates: Tensor) -> Tensor:
    """Activate features.

    Args:
        table: the blocks.
        x: features [N, D, C].
        gates: [N, G, C].

    Returns:
        Features of the same blocks [N, D, C].
    """
    return _call_gate(x, gates, *table.numbers())


def _value(x: Tensor, gates: Tensor, *rest: Any) -> Tensor:
    return implementation(x).gate(GateTable.from_numbers(*rest), x, gates)


def _gradients(x: Tensor, gates: Tensor, g: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return implementation(x).gate_gradients(GateTable.from_numbers(*rest), x, gates, g)


def _tangents(x: Tensor, gates: Tensor, g: Tensor, v: Tensor, v_gates: Tensor, *rest: Any) -> Any:
    return implementation(x).gate_tangents(GateTable.from_numbers(*rest), x, gates, g, v, v_gates)


def _fake_value(x: Tensor, gates: Tensor, *rest: Any) -> Tensor:
    return x.new_empty(x.shape)


def _fake_gradients(x: Tensor, gates: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(gates.shape)


def _fake_tangents(x: Tensor, gates: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(gates.shape), x.new_empty(x.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    *tensors, blocks, even, odd = inputs
    ctx.rest = (blocks, even, odd)
    ctx.save_for_backward(*tensors)


_NOTHING = (None,) * 3


def _value_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    return *_call_gate_gradients(*ctx.saved_tensors, g, *ctx.rest), *_NOTHING


def _gradients_backward(ctx: Any, v: Tensor, v_gates: Tensor) -> tuple[Tensor | None, ...]:
    return *_call_gate_tangents(*ctx.saved_tensors, v, v_gates, *ctx.rest), *_NOTHING


def _tangents_backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
    """Third derivatives, by differentiating the reference."""
    wanted = [position for position in range(5) if is_wanted(ctx, position)]
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = [apart(tensor) for tensor in ctx.saved_tensors]
        outputs = reference.gate_tangents(GateTable.from_numbers(*ctx.rest), *inputs)
        found = torch.autograd.grad(
            outputs, [inputs[position] for position in wanted], gradients, create_graph=create_graph, allow_unused=True
        )
    results: list[Tensor | None] = [None] * 5
    for position, gradient in zip(wanted, found, strict=True):
        results[position] = gradient
    return *results, *_NOTHING


_call_gate = register_operator(_library, "gate", _value, _fake_value, _save, _value_backward)
_call_gate_gradients = register_operator(
    _library, "gate_gradients", _gradients, _fake_gradients, _save, _gradients_backward
)
_call_gate_tangents = register_operator(_library, "gate_tangents", _tangents, _fake_tangents, _save, _tangents_backward)
