r"""Linear maps of the channels within each block of a feature tensor, as operators that make no copies.

.. math:: B(x, W, g) = \sum_n \sum_b \sum_m \sum_{uw} f_b\, x_{n,(b,m),u}\, W^b_{z_n,uw}\, g_{n,(b,m),w}

B is linear in each argument, so the map dB/dg and its two gradients dB/dx and dB/dW are closed under differentiation.
Each block is one batched matrix product on the feature tensor in its memory layout, including constant factors.

Shapes: x [N, D, C], g [N, D', C'], W [S, K] (the concatenated matrices of all blocks), with one matrix per species or
one for all (S = 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.autograd import is_wanted, register_operator
from potentials.kernels.block_mixing import composed, cpu, reference
from potentials.kernels.block_mixing.table import MixingTable
from potentials.kernels.boundary import first_operand, indices, operand
from potentials.kernels.dispatch import implementation
from potentials.kernels.registry import register_implementations


def block_mix(
    table: MixingTable,
    x: Tensor,
    weight: Tensor,
    factor: float = 1.0,
    species: Tensor | None = None,
    order: Tensor | None = None,
    counts: Sequence[int] | None = None,
) -> Tensor:
    """Map each block: y_{n,(b,m),w} = factor / sqrt(rows of W^b) sum_u x_{n,(b,m),u} W^b_{z_n,uw}.

    Args:
        table: the blocks.
        x: features [N, D, C].
        weight: concatenated matrices [S, K].
        factor: constant factor.
        species, order, counts: if each species has its own matrices: the species of each atom [N] int64, the indices
            of the atoms sorted by species [N] int64, and the number of atoms of each species.

    Returns:
        Mapped features [N, D', C'].

    Raises:
        OperatorError: dtypes, devices or shapes of the arguments do not match.
    """
    rows = [x.shape[0]] if counts is None else list(counts)
    return _call_block_mix(x, weight, species, order, rows, table.numbers(), factor)


_library = torch.library.Library("potentials", "FRAGMENT")
_REST = "Tensor? species, Tensor? order, SymInt[] counts, int[] table, float factor"
_library.define(f"block_mix(Tensor x, Tensor weight, {_REST}) -> Tensor")
_library.define(f"block_mix_transposed(Tensor g, Tensor weight, {_REST}) -> Tensor")
_library.define(f"block_mix_outer(Tensor x, Tensor g, {_REST}) -> Tensor")


def _groups(
    operator: str, like: Tensor, species: Tensor | None, order: Tensor | None, counts: Sequence[int]
) -> tuple[Tensor | None, Tensor | None]:
    """Check species and order of the atoms; both or neither are given."""
    atoms = like.shape[0]
    if (species is None) != (order is None) or sum(counts) != atoms or (order is None and len(counts) != 1):
        raise OperatorError(
            f"{operator}: expected the species of the atoms, their order and the counts together, or none of them; got "
            f"species {'missing' if species is None else 'given'}, order {'missing' if order is None else 'given'} and "
            f"counts {list(counts)} of {atoms} atoms"
        )
    if species is None or order is None:
        return None, None
    return tuple(indices(operator, n, x, like, (atoms,)) for n, x in (("species", species), ("order", order)))  # type: ignore[return-value]


def _mix(is_composed: bool, x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    operator = "block_mix"
    species, order, counts, numbers, factor = rest
    table = MixingTable.from_numbers(numbers)
    x = first_operand(operator, "x", x, 3)
    x = operand(operator, "x", x, x, (x.shape[0], table.inputs, table.channels_in))
    weight = operand(operator, "weight", weight, x, (len(counts), table.num_weights))
    species, order = _groups(operator, x, species, order, counts)
    if is_composed:
        return composed.block_mix(table, x, weight, order, counts, factor)
    return implementation(operator, x)(table, x, weight, species, order, counts, factor)


def _mix_transposed(is_composed: bool, g: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    operator = "block_mix_transposed"
    species, order, counts, numbers, factor = rest
    table = MixingTable.from_numbers(numbers)
    g = first_operand(operator, "g", g, 3)
    g = operand(operator, "g", g, g, (g.shape[0], table.outputs, table.channels_out))
    weight = operand(operator, "weight", weight, g, (len(counts), table.num_weights))
    species, order = _groups(operator, g, species, order, counts)
    if is_composed:
        return composed.block_mix_transposed(table, g, weight, order, counts, factor)
    return implementation(operator, g)(table, g, weight, species, order, counts, factor)


def _mix_outer(is_composed: bool, x: Tensor, g: Tensor, *rest: Any) -> Tensor:
    operator = "block_mix_outer"
    species, order, counts, numbers, factor = rest
    table = MixingTable.from_numbers(numbers)
    x = first_operand(operator, "x", x, 3)
    x = operand(operator, "x", x, x, (x.shape[0], table.inputs, table.channels_in))
    g = operand(operator, "g", g, x, (x.shape[0], table.outputs, table.channels_out))
    _, order = _groups(operator, x, species, order, counts)
    compute = composed.block_mix_outer if is_composed else implementation(operator, x)
    return compute(table, x, g, order, counts, factor)


def _fake_mix(x: Tensor, weight: Tensor, species: Any, order: Any, counts: Any, numbers: Any, factor: float) -> Tensor:
    table = MixingTable.from_numbers(numbers)
    return x.new_empty(x.shape[0], table.outputs, table.channels_out)


def _fake_transposed(
    g: Tensor, weight: Tensor, species: Any, order: Any, counts: Any, numbers: Any, factor: float
) -> Tensor:
    table = MixingTable.from_numbers(numbers)
    return g.new_empty(g.shape[0], table.inputs, table.channels_in)


def _fake_outer(x: Tensor, g: Tensor, species: Any, order: Any, counts: Any, numbers: Any, factor: float) -> Tensor:
    return x.new_empty(len(counts), MixingTable.from_numbers(numbers).num_weights)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    first, second, species, order, *ctx.rest = inputs
    ctx.grouped = order is not None
    ctx.save_for_backward(first, second, *((species, order) if order is not None else ()))


def _operands(ctx: Any) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """Return the two mapped tensors and the remaining arguments of an operator."""
    first, second, *groups = ctx.saved_tensors
    species, order = groups if ctx.grouped else (None, None)
    return first, second, (species, order, *ctx.rest)


_NOTHING = (None,) * 5


def _mix_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, rest = _operands(ctx)
    return (
        _call_block_mix_transposed(g, weight, *rest) if is_wanted(ctx, 0) else None,
        _call_block_mix_outer(x, g, *rest) if is_wanted(ctx, 1) else None,
        *_NOTHING,
    )


def _transposed_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    g, weight, rest = _operands(ctx)
    return (
        _call_block_mix(v, weight, *rest) if is_wanted(ctx, 0) else None,
        _call_block_mix_outer(v, g, *rest) if is_wanted(ctx, 1) else None,
        *_NOTHING,
    )


def _outer_backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
    x, g, rest = _operands(ctx)
    return (
        _call_block_mix_transposed(g, u, *rest) if is_wanted(ctx, 0) else None,
        _call_block_mix(x, u, *rest) if is_wanted(ctx, 1) else None,
        *_NOTHING,
    )


register_implementations("block_mix", reference=reference.block_mix, cpu=cpu.block_mix)
register_implementations("block_mix_transposed", reference=reference.block_mix_transposed, cpu=cpu.block_mix_transposed)
register_implementations("block_mix_outer", reference=reference.block_mix_outer, cpu=cpu.block_mix_outer)
_call_block_mix = register_operator(
    _library, "block_mix", partial(_mix, False), partial(_mix, True), _fake_mix, _save, _mix_backward
)
_call_block_mix_transposed = register_operator(
    _library,
    "block_mix_transposed",
    partial(_mix_transposed, False),
    partial(_mix_transposed, True),
    _fake_transposed,
    _save,
    _transposed_backward,
)
_call_block_mix_outer = register_operator(
    _library,
    "block_mix_outer",
    partial(_mix_outer, False),
    partial(_mix_outer, True),
    _fake_outer,
    _save,
    _outer_backward,
)
