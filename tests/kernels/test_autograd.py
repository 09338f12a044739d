"""Only what a backward pass needs is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from potentials.kernels.autograd import is_wanted


class Product(torch.autograd.Function):
    """x * y, which notes what it was asked for."""

    asked: list[tuple[bool, bool]]

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        Product.asked.append((is_wanted(ctx, 0), is_wanted(ctx, 1)))
        return g * y, g * x


@pytest.fixture
def leaves() -> tuple[Tensor, Tensor]:
    Product.asked = []
    return torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)


@pytest.mark.parametrize("through", [lambda x: x, lambda x: 2 * x], ids=["leaf", "not a leaf"])
def test_what_leads_elsewhere_is_not_wanted(leaves: tuple[Tensor, Tensor], through: Any) -> None:
    first, second = leaves
    result = Product.apply(through(first), through(second)).sum()
    for inputs, expected in (([first], (True, False)), ([second], (False, True)), ([first, second], (True, True))):
        torch.autograd.grad(result, inputs, retain_graph=True)
        result.backward(inputs=inputs, retain_graph=True)
        assert Product.asked[-2:] == [expected, expected]
    result.backward(retain_graph=True)
    assert Product.asked[-1] == (True, True)


def test_what_needs_no_gradient_is_not_wanted(leaves: tuple[Tensor, Tensor]) -> None:
    Product.apply(leaves[0], leaves[1].detach()).sum().backward()
    assert Product.asked == [(True, False)]
