"""Splines against SciPy's, and message passing with them against message passing with their values as weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase.build import bulk
from scipy.interpolate import BPoly
from slow_cases import slow_but
from torch import Tensor

from potentials.data.graph import build_graph
from potentials.equivariant import Layout, message_table
from potentials.errors import OperatorError
from potentials.kernels import EdgeTopology, MessageTable, RadialSplines, message_sum, spline_message_sum
from potentials.kernels.dispatch import use_kernels
from potentials.kernels.message_passing import evaluate_splines
from potentials.potential import edge_topology


def random_knots(functions: int, dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(9, 3, functions, dtype=dtype)


def splines(functions: int, dtype: torch.dtype = torch.float64) -> RadialSplines:
    knots = random_knots(functions, dtype)
    return RadialSplines.from_knots(knots[:-1], knots[1:], 0.3, 0.5)


def crystal() -> EdgeTopology:
    atoms = bulk("Si", cubic=True) * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    return edge_topology(build_graph(atoms, ["Si"], 4.0))


def inputs(
    channels: int, topology: EdgeTopology, dtype: torch.dtype = torch.float64
) -> tuple[MessageTable, list[Tensor]]:
    """h, Y and distances, some of them before the first and after the last knot."""
    torch.manual_seed(0)
    table = message_table(Layout.natural(1), 3, Layout.natural(2)).table
    shapes = [(topology.num_nodes, 4, channels), (topology.num_edges, 16), (topology.num_pairs, 1)]
    h, Y, r = (torch.rand(shape, dtype=dtype) for shape in shapes)
    return table, [h, Y, 5 * r - 0.2]


def test_splines_are_those_of_scipy() -> None:
    given = splines(3)
    r = torch.linspace(0.3, 4.3, 101, dtype=torch.float64)
    values, slopes = evaluate_splines(given, r.unsqueeze(1))
    scaled = random_knots(3).numpy() / np.array([1, given.step, given.step**2])[:, None]
    knots = given.start + given.step * np.arange(9)
    for number in range(3):
        expected = BPoly.from_derivatives(knots, scaled[:, :, number])
        np.testing.assert_allclose(values[:, number], expected(r), rtol=0, atol=1e-12)
        np.testing.assert_allclose(slopes[:-1, number], expected.derivative()(r[:-1]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("channels", slow_but([1, 5, 37], "1", "5"))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_messages_and_gradients(channels: int, dtype: torch.dtype, tolerance: float, kernels: str) -> None:
    """The same as weights that were evaluated before."""
    topology = crystal()
    table, tensors = inputs(channels, topology, dtype)
    given = splines(len(table.paths) * channels, dtype)

    def with_splines(h: Tensor, Y: Tensor, r: Tensor) -> Tensor:
        return spline_message_sum(table, h, Y, r, given, topology)

    def with_weights(h: Tensor, Y: Tensor, r: Tensor) -> Tensor:
        weights, _ = evaluate_splines(given, r)
        return message_sum(table, h, Y, weights.unflatten(1, (-1, channels)), topology)

    results = []
    for function in (with_splines, with_weights):
        arguments = [tensor.clone().requires_grad_() for tensor in tensors]
        message = function(*arguments)
        upstream = torch.linspace(-1, 1, message.numel(), dtype=dtype).view_as(message)
        results.append([message.detach(), *torch.autograd.grad((upstream * message).sum(), arguments)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_second_derivatives_are_refused(kernels: str) -> None:
    topology = crystal()
    table, tensors = inputs(3, topology)
    arguments = [tensor.requires_grad_() for tensor in tensors]
    message = spline_message_sum(table, *arguments, splines(3 * len(table.paths)), topology)
    gradients = torch.autograd.grad(message.sum(), arguments, create_graph=True)
    with pytest.raises(OperatorError, match="cannot be differentiated"):
        gradients[2].sum().backward()


def test_a_distance_that_is_no_number_is_no_crash(kernels: str) -> None:
    topology = crystal()
    table, (h, Y, r) = inputs(3, topology)
    r[0] = float("nan")
    r[1] = float("inf")
    assert not torch.isfinite(spline_message_sum(table, h, Y, r, splines(3 * len(table.paths)), topology)).all()


def test_no_edges(kernels: str) -> None:
    empty = torch.zeros(2, 0, dtype=torch.int64)
    topology = EdgeTopology.from_edge_index(empty, 3)
    table, tensors = inputs(2, topology)
    arguments = [tensor.requires_grad_() for tensor in tensors]
    message = spline_message_sum(table, *arguments, splines(2 * len(table.paths)), topology)
    assert not message.any()
    assert not torch.autograd.grad(message.sum(), arguments)[0].any()


def test_threads_do_not_matter(threads: Callable[[int], None]) -> None:
    topology = crystal()
    table, tensors = inputs(16, topology, torch.float32)
    arguments = [tensor.requires_grad_() for tensor in tensors]
    found = []
    for number in (1, 2, 3):
        threads(number)
        with use_kernels("cpu"):
            given = splines(16 * len(table.paths), torch.float32)
            message = spline_message_sum(table, *arguments, given, topology)
        found.append([message.detach(), *torch.autograd.grad((message**2).sum(), arguments)])
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


def test_operator_is_well_formed() -> None:
    topology = crystal()
    table, tensors = inputs(2, topology)
    given = splines(2 * len(table.paths))
    arguments = (*(tensor.requires_grad_() for tensor in tensors), given.coefficients, *topology)
    torch.library.opcheck(
        torch.ops.potentials.spline_message_sum.default, (*arguments, given.start, given.step, table.key)
    )
