"""What is not a number reaches every result that depends on it, in every kernel."""

from __future__ import annotations

import pytest
import torch
from kernels.operator_problems import Problem, operator_problems

from potentials.kernels import GatedBlock, GateTable, gate
from potentials.kernels.dispatch import use_kernels

PROBLEMS = operator_problems()


def with_entry(problem: Problem, name: str, entry: int, value: float) -> list[torch.Tensor]:
    numbers = {n: x.clone() for n, x in problem.numbers.items()}
    numbers[name].view(-1)[entry] = value
    return problem.results(*numbers.values())


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", PROBLEMS)
def test_nan_reaches_all_that_depends_on_it(name: str) -> None:
    """What depends on a number is what two other values of it change."""
    problem = PROBLEMS[name]
    for argument, tensor in problem.numbers.items():
        for entry in sorted({0, tensor.numel() // 2, tensor.numel() - 1}):
            results = [with_entry(problem, argument, entry, value) for value in (0.77, 1.9)]
            found = with_entry(problem, argument, entry, torch.nan)
            for one, other, result in zip(*results, found, strict=True):
                depends = one != other
                assert bool(result[depends].isnan().all()), (argument, entry)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("is_even", [True, False])
def test_activations_at_the_ends_of_the_range(is_even: bool, dtype: torch.dtype) -> None:
    """Large numbers and infinities are those of the reference."""
    table = GateTable((GatedBlock(0, 1, True, is_even),), 1.5, 1.5)
    sizes = [1.0, 50.0, 88.5, 104.0, 750.0, 1e5, 1e30, torch.inf]
    x = torch.tensor([*sizes, *(-size for size in sizes)], dtype=dtype)[None, None]
    results = []
    for kernels in ("reference", "cpu"):
        argument = x.clone().requires_grad_()
        with use_kernels(kernels):
            value = gate(table, argument, argument[:, :0])
            (slope,) = torch.autograd.grad(value.sum(), argument)
        results.append(torch.stack([value.detach(), slope]))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(results[1], results[0], rtol=tolerance, atol=1e-30, equal_nan=True)
