"""The linear maps of blocks against loops over atoms, components and blocks, and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from potentials.kernels import MixedBlock, MixingTable, block_mix

# Two blocks with copies, out of order in the output; one input row and one output row belong to no block.
TABLE = MixingTable((MixedBlock(0, 1, 3, 3), MixedBlock(4, 3, 2, 0)), 10, 5, 2, 4)
FULL = MixingTable((MixedBlock(0, 1, 1, 0), MixedBlock(1, 3, 1, 1)), 4, 4, 3, 3)
# Blocks with copies in input and output.
COPIES = MixingTable((MixedBlock(0, 1, 3, 6, 2), MixedBlock(3, 3, 1, 0, 2)), 6, 9, 2, 4)
OPERATORS = torch.ops.potentials


class Case(NamedTuple):
    table: MixingTable
    species: list[int] | None
    """Of each atom; None: one matrix for all."""


CASES = {
    "one matrix": Case(TABLE, None),
    "all components": Case(FULL, None),
    "copies in the output": Case(COPIES, None),
    "by species, copies in the output": Case(COPIES, [2, 0, 2, 3, 0]),
    "by species": Case(TABLE, [2, 0, 2, 3, 0]),
    "by species, all components": Case(FULL, [1, 1, 0]),
    "no atoms": Case(TABLE, []),
}


class Inputs(NamedTuple):
    x: Tensor
    weight: Tensor
    g: Tensor
    groups: tuple[Tensor | None, Tensor | None, list[int]]


def inputs(case: Case, atoms: int = 4) -> Inputs:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    table, groups = case.table, (None, None, [atoms])
    number, species_number = atoms, 1
    if case.species is not None:
        species = torch.tensor(case.species, dtype=torch.int64)
        number, species_number = len(species), 4
        order = torch.argsort(species, stable=True)
        groups = (species, order, torch.bincount(species, minlength=4).tolist())
    return Inputs(
        random(number, table.inputs, table.channels_in),
        random(species_number, table.num_weights),
        random(number, table.outputs, table.channels_out),
        groups,
    )


def expected(case: Case, x: Tensor, weight: Tensor) -> Tensor:
    table = case.table
    y = x.new_zeros(x.shape[0], table.outputs, table.channels_out)
    start = 0
    for block in table.blocks:
        rows = block.copies * table.channels_in
        columns = block.copies_out * table.channels_out
        matrix = weight[:, start : start + rows * columns].reshape(-1, rows, columns)
        start += rows * columns
        for atom in range(x.shape[0]):
            species = 0 if case.species is None else case.species[atom]
            for m in range(block.components):
                first = block.source + m * block.copies
                values = x[atom, first : first + block.copies].flatten()
                target = block.target + m * block.copies_out
                mapped = values @ matrix[species] / rows**0.5
                y[atom, target : target + block.copies_out] = mapped.reshape(block.copies_out, -1)
    return y


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    case = CASES[name]
    x, weight, _, (species, order, counts) = inputs(case)
    groups = (None, None, None) if order is None else (species, order, counts)
    found = block_mix(case.table, x, weight, 3.0, *groups)
    torch.testing.assert_close(found, 3.0 * expected(case, x, weight), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("kernels")
def test_part_of_a_larger_tensor() -> None:
    """Contiguous rows that do not begin where their memory does."""
    case = CASES["one matrix"]
    x, weight, *_ = inputs(case, atoms=6)
    found = block_mix(case.table, x[2:], weight)
    torch.testing.assert_close(found, expected(case, x[2:], weight), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", [name for name in CASES if name != "no atoms"])
def test_derivatives_of_all_orders(name: str) -> None:
    case = CASES[name]
    x, weight, g, groups = inputs(case)
    x, weight, g = (tensor.requires_grad_() for tensor in (x, weight, g))
    rest = (*groups, case.table.numbers(), 0.7)
    for operator, first, second in (
        (OPERATORS.block_mix, x, weight),
        (OPERATORS.block_mix_transposed, g, weight),
        (OPERATORS.block_mix_outer, x, g),
    ):
        # Bound now: the loop goes on before the function is gone.
        def function(a: Tensor, b: Tensor, operator: torch._ops.OpOverloadPacket = operator) -> Tensor:
            return operator(a, b, *rest)

        assert gradcheck(function, (first, second), fast_mode=True)
        assert gradgradcheck(function, (first, second), fast_mode=True)


@pytest.mark.usefixtures("kernels")
def test_no_atoms_no_gradient() -> None:
    case = CASES["no atoms"]
    x, weight, _, groups = inputs(case)
    weight.requires_grad_()
    result = OPERATORS.block_mix(x, weight, *groups, case.table.numbers(), 1.0)
    assert result.shape == (0, TABLE.outputs, TABLE.channels_out)
    (gradient,) = torch.autograd.grad(result.sum(), weight)
    assert not gradient.any()


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", ["one matrix", "by species"])
def test_operators_are_well_formed(name: str) -> None:
    case = CASES[name]
    x, weight, g, groups = inputs(case)
    x, weight, g = (tensor.requires_grad_() for tensor in (x, weight, g))
    rest = (*groups, case.table.numbers(), 0.7)
    torch.library.opcheck(OPERATORS.block_mix, (x, weight, *rest))
    torch.library.opcheck(OPERATORS.block_mix_transposed, (g, weight, *rest))
    torch.library.opcheck(OPERATORS.block_mix_outer, (x, g, *rest))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("channels_in", "channels_out"), [(16, 64), (37, 5), (64, 128), (1, 100)])
def test_any_number_of_channels(channels_in: int, channels_out: int, dtype: torch.dtype) -> None:
    """Full vectors, several of them, and what is left over; one component and seven."""
    table = MixingTable((MixedBlock(0, 1, 2, 0), MixedBlock(2, 7, 1, 1)), 9, 8, channels_in, channels_out)
    case = Case(table, [1, 0, 1])
    x, weight, g, groups = inputs(case)
    x, weight, g = (tensor.to(dtype) for tensor in (x, weight, g))
    rest = (*groups, table.numbers(), 1.0)
    tolerance = {"rtol": 1e-12, "atol": 1e-11} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-4}
    found = OPERATORS.block_mix(x, weight, *rest)
    torch.testing.assert_close(found.double(), expected(case, x.double(), weight.double()), **tolerance)
    # The transposed map by its definition: <g, W x> = <W^T g, x>.
    transposed = OPERATORS.block_mix_transposed(g, weight, *rest)
    double = OPERATORS.block_mix_transposed(g.double(), weight.double(), *rest)
    torch.testing.assert_close(transposed.double(), double, **tolerance)
    left, right = (g.double() * expected(case, x.double(), weight.double())).sum(), (double * x.double()).sum()
    torch.testing.assert_close(left, right)


def test_numbers_there_and_back() -> None:
    assert MixingTable.from_numbers(TABLE.numbers()) == TABLE
