"""Operators under forward mode and `torch.func`, against finite differences and reverse mode, to second order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from kernels.operator_problems import Problem, operator_problems, radial_network
from torch import Tensor
from torch.autograd import forward_ad

from potentials.errors import OperatorError
from potentials.kernels.dispatch import use_kernels

PROBLEMS = operator_problems()
# Of the hidden numbers of a network nothing depends where they are made again, and coefficients of splines are
# constants of a potential.
CONSTANT = {"hidden", "coefficients"}
# Their gradients are compositions, which PyTorch differentiates in the precision that surrounds it then.
COMPOSED_GRADIENTS = {
    "many_body_tangents",
    "edge_geometry_gradient",
    "edge_geometry_tangent",
    "gate_tangents",
    "radial_network_gradients",
}
NAMES = pytest.mark.parametrize("name", PROBLEMS)


def as_function(problem: Problem) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The operator of the arguments that vary, these, and a direction of each."""
    names = [name for name in problem.numbers if name not in CONSTANT]

    def function(*given: Tensor) -> tuple[Tensor, ...]:
        numbers = problem.numbers | dict(zip(names, given, strict=True))
        return tuple(problem.results(*numbers.values()))

    arguments = tuple(problem.numbers[name] for name in names)
    generator = torch.Generator().manual_seed(5)
    directions = tuple(torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in arguments)
    return function, arguments, directions


def central(function: Callable[..., tuple[Tensor, ...]], arguments: object, directions: object) -> tuple[Tensor, ...]:
    step = 1e-5
    pairs = list(zip(arguments, directions, strict=True))
    ahead, behind = (function(*(x + side * step * d for x, d in pairs)) for side in (1, -1))
    return tuple((a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True))


def unaware(function: Callable[..., tuple[Tensor, ...]], name: str) -> Callable[..., tuple[Tensor, ...]]:
    """The gradient of a network knows only what its own forward pass hid: differences need the hidden numbers anew."""
    if name != "radial_network_gradients":
        return function

    def with_hidden(*given: Tensor) -> tuple[Tensor, ...]:
        problem = PROBLEMS[name]
        values, slopes, weight, *by = given
        hidden = radial_network._call_radial_network(values, slopes, weight, [3, 7, 4], [0.6, 0.4], True)[2]
        return tuple(problem.results(values, slopes, weight, hidden, *by))

    return with_hidden


@pytest.mark.usefixtures("kernels")
@NAMES
def test_forward_mode(name: str) -> None:
    function, arguments, directions = as_function(PROBLEMS[name])
    expected = central(unaware(function, name), arguments, directions)
    values = function(*arguments)
    found = torch.func.jvp(function, arguments, directions)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x, d) for x, d in zip(arguments, directions, strict=True)]
        unpacked = [forward_ad.unpack_dual(x) for x in function(*duals)]
    for value, tangent, dual, exact, numerical in zip(*found, unpacked, values, expected, strict=True):
        torch.testing.assert_close(value, exact, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(dual.primal, exact, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(tangent, numerical, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(dual.tangent, tangent, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("kernels")
@NAMES
def test_reverse_mode_of_functions(name: str) -> None:
    """`vjp` is what `backward` gives, also of a batch."""
    function, arguments, _ = as_function(PROBLEMS[name])
    outputs, back = torch.func.vjp(function, *arguments)
    gradients = tuple(torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x) for x in outputs)
    found = back(gradients)
    if PROBLEMS[name].further or name == "spline_message_sum":
        variables = [x.clone().requires_grad_() for x in arguments]
        expected = torch.autograd.grad(function(*variables), variables, gradients, materialize_grads=True)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
    batch = tuple(torch.stack([x, 0.5 * x]) for x in arguments)
    batched = torch.func.vmap(lambda *given: torch.func.vjp(function, *given)[1](gradients))(*batch)
    for one, other in zip(batched, found, strict=True):
        torch.testing.assert_close(one[0], other, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("kernels")
@NAMES
def test_second_order(name: str) -> None:
    """Forward over reverse, of functions and of the tape, against central differences of the gradient."""
    function, arguments, directions = as_function(PROBLEMS[name])

    def total(*given: Tensor) -> Tensor:
        return sum(
            (x.square() * torch.linspace(0.2, 1, x.numel(), dtype=x.dtype).view_as(x)).sum() for x in function(*given)
        )

    gradient = torch.func.grad(total, argnums=tuple(range(len(arguments))))
    _, found = torch.func.jvp(gradient, arguments, directions)
    expected = central(gradient, arguments, directions)
    size = max(float(x.abs().max()) for x in expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6 * size)
    if not PROBLEMS[name].further:
        return
    variables = [x.clone().requires_grad_() for x in arguments]
    first = torch.autograd.grad(total(*variables), variables, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(first, directions, strict=True))
    twice = torch.autograd.grad(along, variables, materialize_grads=True)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x.requires_grad_(), d) for x, d in zip(arguments, directions, strict=True)]
        mixed = torch.autograd.grad(total(*duals), duals, create_graph=True)
        tangents = [forward_ad.unpack_dual(x).tangent for x in mixed]
    for tensor in arguments:
        tensor.requires_grad_(False)
    for one, back, dual in zip(found, twice, tangents, strict=True):
        torch.testing.assert_close(back, one, rtol=0, atol=1e-10 * size)
        torch.testing.assert_close(dual, one, rtol=0, atol=1e-10 * size)


def test_a_batch_of_gradients_is_refused_in_words() -> None:
    problem = PROBLEMS["row_dot"]
    left, right = problem.numbers.values()
    with use_kernels("cpu"), pytest.raises(OperatorError, match=r"use torch\.func\.vmap"):
        torch.autograd.functional.jacobian(lambda x: problem.results(x, right)[0], left, vectorize=True)


@pytest.mark.usefixtures("kernels")
@NAMES
def test_autocast_changes_nothing(name: str) -> None:
    """Operators compute in the precision of their arguments, values and the derivatives that are operators too."""
    problem = PROBLEMS[name]
    numbers = [x.float().requires_grad_() for x in problem.numbers.values()]

    def everything() -> list[Tensor]:
        results = problem.results(*numbers)
        if not problem.further:
            return results
        total = sum(x.square().sum() for x in results)
        first = torch.autograd.grad(total, numbers, create_graph=True, materialize_grads=True)
        if name in COMPOSED_GRADIENTS:
            return [*results, *first]
        second = torch.autograd.grad(sum(x.square().sum() for x in first), numbers, materialize_grads=True)
        return [*results, *first, *second]

    expected = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = everything()
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)
