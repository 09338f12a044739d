"""Radial networks and scalar products of rows against their formulas, and across implementations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from slow_cases import slow_but
from torch import Tensor

from potentials.kernels import radial_network, row_dot
from potentials.kernels.dispatch import use_kernels
from potentials.kernels.radial_network import perceptron_matrices

SIZES = {"one layer": [8, 5], "narrow": [3, 7, 13, 4], "as in models": [8, 64, 64, 64, 160], "wide": [2, 70, 3]}


def inputs(sizes: Sequence[int], pairs: int, dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], list[float]]:
    """Values, slopes and weight; scales."""
    torch.manual_seed(len(sizes) + pairs)
    number = sum(a * b for a, b in itertools.pairwise(sizes))
    tensors = [torch.randn(shape, dtype=dtype) for shape in ((pairs, sizes[0]), (pairs, sizes[0]), (number,))]
    return tensors, [size**-0.5 for size in sizes[:-1]]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("pairs", [1, 2, 3, 14])
def test_values(name: str, pairs: int, kernels: str) -> None:
    """NumPy's own network, and central differences of it along the slopes."""
    sizes = SIZES[name]
    (values, slopes, weight), scales = inputs(sizes, pairs)
    matrices = [matrix.numpy() for matrix in perceptron_matrices(weight, sizes)]

    def network(x: np.ndarray) -> np.ndarray:
        for layer, (matrix, scale) in enumerate(zip(matrices, scales, strict=True)):
            x = (x / (1 + np.exp(-x)) if layer else x) @ matrix * scale
        return x

    found = radial_network(values, slopes, weight, sizes, scales)
    np.testing.assert_allclose(found[0], network(values.numpy()), rtol=1e-12, atol=1e-13)
    step = 1e-5 * slopes.numpy()
    expected = (network(values.numpy() + step) - network(values.numpy() - step)) / 2e-5
    np.testing.assert_allclose(found[1], expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["one layer", "narrow"])
def test_derivatives(name: str, kernels: str) -> None:
    tensors, scales = inputs(SIZES[name], 5)
    arguments = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(lambda *given: radial_network(*given, SIZES[name], scales), arguments)


@pytest.mark.parametrize("name", ["one layer", "narrow"])
def test_second_derivatives(name: str, kernels: str) -> None:
    """By the reference; also of the slopes, and third ones."""
    tensors, scales = inputs(SIZES[name], 3)
    arguments = [tensor.requires_grad_() for tensor in tensors]

    def network(*given: Tensor) -> tuple[Tensor, Tensor]:
        return radial_network(*given, SIZES[name], scales)

    def gradient(*given: Tensor) -> tuple[Tensor, ...]:
        total = sum(x.square().sum() for x in network(*given))
        return torch.autograd.grad(total, given, create_graph=True)

    assert torch.autograd.gradgradcheck(network, arguments, fast_mode=True)
    assert torch.autograd.gradgradcheck(gradient, arguments, fast_mode=True)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_both_implementations_agree(name: str, dtype: torch.dtype, tolerance: float) -> None:
    results = []
    for kernels in ("reference", "cpu"):
        tensors, scales = inputs(SIZES[name], 37, dtype)
        arguments = [tensor.requires_grad_() for tensor in tensors]
        with use_kernels(kernels):
            found = radial_network(*arguments, SIZES[name], scales)
            total = sum((x * torch.linspace(-1, 1, x.numel(), dtype=dtype).view_as(x)).sum() for x in found)
            gradients = torch.autograd.grad(total, arguments)
        results.append([x.detach() for x in (*found, *gradients)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * float(other.abs().max()))


def test_large_numbers_saturate(kernels: str) -> None:
    """silu of what no exponential can hold."""
    for dtype in (torch.float32, torch.float64):
        z = torch.tensor([[-1e4], [-90.0], [-1e-30], [0.0], [90.0], [1e4]], dtype=dtype)
        one = torch.ones(1, dtype=dtype)
        values, slopes = radial_network(z, torch.ones_like(z), torch.cat([one, one]), [1, 1, 1], [1.0, 1.0])
        expected = torch.nn.functional.silu(z.double())
        torch.testing.assert_close(values.double(), expected, rtol=1e-6, atol=1e-30)
        torch.testing.assert_close(slopes.double()[[0, 3, 4, 5]], torch.tensor([[0.0], [0.5], [1.0], [1.0]]).double())


def test_threads_do_not_matter(threads: Callable[[int], None]) -> None:
    tensors, scales = inputs(SIZES["as in models"], 200, torch.float32)
    found = []
    for number in (1, 2, 3):
        threads(number)
        found.append(torch.cat(radial_network(*tensors, SIZES["as in models"], scales)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_no_pairs(kernels: str) -> None:
    tensors, scales = inputs([4, 6, 3], 0)
    arguments = [tensor.requires_grad_() for tensor in tensors]
    values, slopes = radial_network(*arguments, [4, 6, 3], scales)
    assert values.shape == slopes.shape == (0, 3)
    gradients = torch.autograd.grad(values.sum() + slopes.sum(), arguments)
    assert [gradient.shape for gradient in gradients] == [tensor.shape for tensor in tensors]
    assert not gradients[2].any()


@pytest.mark.parametrize("size", slow_but([0, 1, 15, 64, 130], "0", "1", "15"))
def test_row_dot(size: int, kernels: str) -> None:
    torch.manual_seed(size)
    left, right = (torch.randn(7, size, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(row_dot(left, right), torch.from_numpy((left.numpy() * right.numpy()).sum(1)))
    if size:
        arguments = (left.requires_grad_(), right.requires_grad_())
        assert torch.autograd.gradcheck(row_dot, arguments)
        assert torch.autograd.gradgradcheck(row_dot, arguments)


def test_operators_are_well_formed() -> None:
    (values, slopes, weight), scales = inputs([3, 4, 2], 5)
    weight.requires_grad_()
    torch.library.opcheck(
        torch.ops.potentials.radial_network.default, (values, slopes, weight, [3, 4, 2], scales, True)
    )
    torch.library.opcheck(torch.ops.potentials.row_dot.default, (values.requires_grad_(), slopes))
