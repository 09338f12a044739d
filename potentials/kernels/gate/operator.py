r"""The gated nonlinearity: an activation is applied to scalars, and all other blocks are multiplied by activated gates.

.. math:: y_{lm} = x_{lm}\, f(\gamma_l) \quad (l > 0), \qquad y_0 = f(x_0)

with f = c silu for even scalars and gates and c tanh for odd scalars. There are three operators: the value, its
gradients, and their derivatives along a direction. Higher derivatives, `torch.func` and forward mode fall back on plain
PyTorch.

Shapes: x, y [N, D, C]; gates [N, G, C], one for each block of degree > 0.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted, pulled_back, register_operator
from potentials.kernels.boundary import first_operand, operand
from potentials.kernels.dispatch import implementation
from potentials.kernels.gate import cpu, reference
from potentials.kernels.gate.table import GateTable
from potentials.kernels.registry import register_implementations

_library = torch.library.Library("potentials", "FRAGMENT")
_REST = "int[] blocks, float even_factor, float odd_factor"
_library.define(f"gate(Tensor x, Tensor gates, {_REST}) -> Tensor")
_library.define(f"gate_gradients(Tensor x, Tensor gates, Tensor g, {_REST}) -> (Tensor, Tensor)")
_library.define(
    f"gate_tangents(Tensor x, Tensor gates, Tensor g, Tensor v, Tensor v_gates, {_REST}) -> (Tensor, Tensor, Tensor)"
)


def gate(table: GateTable, x: Tensor, gates: Tensor) -> Tensor:
    """Apply activations to scalars and multiply all other blocks by activated gates.

    Args:
        table: the blocks.
        x: features [N, D, C].
        gates: gates before their activation [N, G, C].

    Returns:
        Features of the same blocks [N, D, C].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    return _call_gate(x, gates, *table.numbers())


def _checked(operator: str, x: Tensor, gates: Tensor, *rest: Any) -> tuple[GateTable, Tensor, Tensor]:
    """Check dtypes, devices and shapes of features and gates."""
    table = GateTable.from_numbers(*rest)
    x = first_operand(operator, "x", x, 3)
    atoms, _, channels = x.shape
    x = operand(operator, "x", x, x, (atoms, table.components, channels))
    return table, x, operand(operator, "gates", gates, x, (atoms, table.gates, channels))


def _value(is_composed: bool, x: Tensor, gates: Tensor, *rest: Any) -> Tensor:
    table, x, gates = _checked("gate", x, gates, *rest)
    return (reference.gate if is_composed else implementation("gate", x))(table, x, gates)


def _gradients(is_composed: bool, x: Tensor, gates: Tensor, g: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    table, x, gates = _checked("gate_gradients", x, gates, *rest)
    g = operand("gate_gradients", "g", g, x, x.shape)
    compute = reference.gate_gradients if is_composed else implementation("gate_gradients", x)
    return compute(table, x, gates, g)


def _tangents(
    is_composed: bool, x: Tensor, gates: Tensor, g: Tensor, v: Tensor, v_gates: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    operator = "gate_tangents"
    table, x, gates = _checked(operator, x, gates, *rest)
    g, v = operand(operator, "g", g, x, x.shape), operand(operator, "v", v, x, x.shape)
    v_gates = operand(operator, "v_gates", v_gates, x, gates.shape)
    compute = reference.gate_tangents if is_composed else implementation(operator, x)
    return compute(table, x, gates, g, v, v_gates)


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
    """Compute third derivatives by differentiating the reference."""
    wanted = [position for position in range(5) if is_wanted(ctx, position)]
    tangents = partial(reference.gate_tangents, GateTable.from_numbers(*ctx.rest))
    return *pulled_back(tangents, ctx.saved_tensors, wanted, gradients), *_NOTHING


register_implementations("gate", reference=reference.gate, cpu=cpu.gate)
register_implementations("gate_gradients", reference=reference.gate_gradients, cpu=cpu.gate_gradients)
register_implementations("gate_tangents", reference=reference.gate_tangents, cpu=cpu.gate_tangents)
_call_gate = register_operator(
    _library, "gate", partial(_value, False), partial(_value, True), _fake_value, _save, _value_backward
)
_call_gate_gradients = register_operator(
    _library,
    "gate_gradients",
    partial(_gradients, False),
    partial(_gradients, True),
    _fake_gradients,
    _save,
    _gradients_backward,
)
_call_gate_tangents = register_operator(
    _library,
    "gate_tangents",
    partial(_tangents, False),
    partial(_tangents, True),
    _fake_tangents,
    _save,
    _tangents_backward,
)
