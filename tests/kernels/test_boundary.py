"""What every operator accepts and refuses, whichever implementation runs."""

from __future__ import annotations

import pytest
import torch
from kernels.operator_problems import operator_problems
from torch import Tensor

from potentials.errors import OperatorError
from potentials.kernels.dispatch import use_kernels

PROBLEMS = operator_problems()
NAMES = pytest.mark.parametrize("name", PROBLEMS)


def scattered(tensor: Tensor) -> Tensor:
    """Equal numbers, with others between them in memory."""
    wide = torch.full((*tensor.shape, 3), -1, dtype=tensor.dtype)
    wide[..., 1] = tensor
    return wide[..., 1]


def turned(tensor: Tensor) -> Tensor:
    """Equal numbers, the last dimension first in memory."""
    return tensor.movedim(-1, 0).contiguous().movedim(0, -1)


@pytest.mark.usefixtures("kernels")
@NAMES
@pytest.mark.parametrize("apart", [scattered, turned])
def test_any_order_in_memory(name: str, apart: object) -> None:
    problem = PROBLEMS[name]
    expected = problem.results()
    for changed in (*problem.numbers, *problem.integers):
        given = [apart(x) if n == changed else x for n, x in (problem.numbers | problem.integers).items()]
        found = problem._replace(integers={}).results(*given)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other), changed


@pytest.mark.usefixtures("kernels")
@NAMES
def test_other_types_and_shapes_are_refused(name: str) -> None:
    """Each argument in turn, and by name."""
    problem = PROBLEMS[name]
    call = problem._replace(integers={}).results
    given = problem.numbers | problem.integers
    first = next(iter(problem.numbers))
    for changed, tensor in given.items():
        is_number = tensor.is_floating_point()
        wrong = [tensor.unsqueeze(0), tensor.to(torch.int32)]
        wrong += [tensor[:, :-1] if tensor.dim() > 1 else tensor[:-1]]
        wrong += [tensor.bool(), tensor.to(torch.float64 if not is_number else torch.int64)]
        if is_number and len(problem.numbers) > 1:
            wrong.append(tensor.float())
        for other in wrong:
            # A change of the argument that decides the type is noticed at the next one.
            names = (
                list(problem.numbers) if changed == first or "pair" in changed or "pointer" in changed else [changed]
            )
            with pytest.raises(OperatorError, match=": expected ") as caught:
                call(*(other if n == changed else x for n, x in given.items()))
            assert str(caught.value).startswith(name), str(caught.value)
            assert "got " in str(caught.value)
            assert any(f" {n}: " in str(caught.value) for n in (*names, *given)), str(caught.value)


@pytest.mark.usefixtures("kernels")
def test_the_message_says_what_is_wrong() -> None:
    problem = PROBLEMS["block_mix"]
    x, weight = problem.numbers.values()
    with pytest.raises(OperatorError) as caught:
        problem.results(x.float(), weight)
    assert str(caught.value) == (
        "block_mix: weight: expected torch.float32 [4, 40] on cpu; got torch.float64 [4, 40] on cpu. All "
        "floating-point arguments of an operator must have the same dtype and device, and indices must be torch.int64: "
        "convert this argument with `.to(...)`"
    )


def test_another_device_is_refused() -> None:
    problem = PROBLEMS["row_dot"]
    left, right = problem.numbers.values()
    with use_kernels("cpu"), pytest.raises(OperatorError, match=r"expected torch\.float64 .* on cpu; got .* on meta"):
        problem.results(left, right.to("meta"))


def test_groups_are_complete() -> None:
    problem = PROBLEMS["block_mix"]
    species, order = problem.integers.values()
    for integers in ((None, order), (species, None), (None, None)):
        with pytest.raises(OperatorError, match="the species of the atoms, their order and the counts together"):
            problem.call(*problem.numbers.values(), *integers)
