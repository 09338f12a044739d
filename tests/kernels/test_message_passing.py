"""The four message-passing operators against loops over terms and edges, and their derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from potentials.equivariant import Layout, message_table
from potentials.kernels import EdgeTopology, MessagePath, MessageTable, message_sum

CHANNELS = 2
OPERATORS = {
    "g": torch.ops.potentials.message_sum,
    "h": torch.ops.potentials.message_grad_h,
    "Y": torch.ops.potentials.message_grad_Y,
    "w": torch.ops.potentials.message_grad_w,
}


def random_table() -> MessageTable:
    """Couplings that no group theory made: blocks of all sizes, strided and shuffled receivers."""
    random = np.random.default_rng(0)
    paths = [
        MessagePath(2, 1, 6, 1, random.normal(size=(3, 2, 1))),
        MessagePath(0, 0, 0, 2, random.normal(size=(4, 4, 3))),
        MessagePath(4, 3, 1, 2, random.normal(size=(1, 1, 3))),
        MessagePath(0, 0, 7, 1, random.normal(size=(1, 1, 1))),
    ]
    return MessageTable.create(5, 4, 8, paths)


def coupled(degree: int, parity: bool) -> MessageTable:
    layout = Layout.full(degree) if parity else Layout.natural(degree)
    return message_table(layout, degree, layout).table


TABLES = {
    f"degree {degree}{', parity' if parity else ''}": (degree, parity)
    for degree in range(4)
    for parity in (False, True)
}
SMALL = ["random", "degree 0", "degree 1, parity", "degree 2"]
EDGES = {
    # Atom 1 receives nothing, atom 3 does nothing at all; an atom neighbours its own image, one pair occurs twice.
    "edges": (5, [[2, 0, 2, 1, 1, 4, 0], [0, 0, 0, 2, 4, 4, 4]]),
    "one atom": (1, [[], []]),
    "one atom and its images": (1, [[0, 0], [0, 0]]),
    "no atoms": (0, [[], []]),
}


def table_of(name: str) -> MessageTable:
    return random_table() if name == "random" else coupled(*TABLES[name])


class Inputs(NamedTuple):
    """Random arguments of Q; `g` has the shape of the summed message."""

    h: Tensor
    Y: Tensor
    w: Tensor
    g: Tensor
    topology: EdgeTopology

    def without(self, name: str) -> list[Tensor]:
        """The arguments of the operator that is the derivative with respect to this one."""
        return [getattr(self, other) for other in "hYwg" if other != name]


def inputs(table: MessageTable, edges: str = "edges", dtype: torch.dtype = torch.float64) -> Inputs:
    num_nodes, pairs = EDGES[edges]
    topology = EdgeTopology.from_edge_index(torch.tensor(pairs, dtype=torch.int64), num_nodes)
    generator = torch.Generator().manual_seed(0)
    shapes = [
        (num_nodes, table.sender_components, CHANNELS),
        (topology.num_edges, table.harmonic_components),
        (topology.num_edges, len(table.paths), CHANNELS),
        (num_nodes, table.receiver_components, CHANNELS),
    ]
    values = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    return Inputs(*values, topology)


def brute_force(table: MessageTable, values: Inputs) -> dict[str, NDArray]:
    """The derivative of Q with respect to each argument, one term and edge at a time."""
    h, Y, w, g = (tensor.double().numpy() for tensor in values[:4])
    gradient = {name: np.zeros(getattr(values, name).shape) for name in "hYwg"}
    indices, coefficients = table.terms()
    edges = zip(values.topology.senders.tolist(), values.topology.receivers.tolist(), strict=True)
    for e, (sender, receiver) in enumerate(edges):
        for (p, a, b, d), c in zip(indices, coefficients, strict=True):
            gradient["g"][receiver, d] += c * h[sender, a] * Y[e, b] * w[e, p]
            gradient["h"][sender, a] += c * Y[e, b] * w[e, p] * g[receiver, d]
            gradient["Y"][e, b] += c * (h[sender, a] * w[e, p] * g[receiver, d]).sum()
            gradient["w"][e, p] += c * h[sender, a] * Y[e, b] * g[receiver, d]
    return gradient


def call(name: str, table: MessageTable, values: Inputs) -> Tensor:
    return OPERATORS[name](*values.without(name), *values.topology, table.key)


@pytest.mark.parametrize("table_name", ["random", *TABLES])
def test_values(table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    for name, expected in brute_force(table, values).items():
        np.testing.assert_allclose(call(name, table, values).numpy(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(message_sum(table, *values[:3], values.topology), call("g", table, values))


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("name", OPERATORS)
def test_few_edges(name: str, edges: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table, edges)
    expected = brute_force(table, values)[name]
    assert call(name, table, values).shape == expected.shape
    np.testing.assert_allclose(call(name, table, values).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_atoms_without_edges_get_exactly_nothing() -> None:
    table = coupled(2, parity=False)
    values = inputs(table)
    assert not call("g", table, values)[[1, 3]].any()
    assert not call("h", table, values)[3].any()


@pytest.mark.parametrize("name", OPERATORS)
def test_linear_in_each_argument(name: str) -> None:
    table = coupled(2, parity=True)
    values = inputs(table)
    first, others = call(name, table, values), {"h", "Y", "w", "g"} - {name}
    for argument in others:
        other = torch.randn_like(getattr(values, argument))
        second = call(name, table, values._replace(**{argument: other}))
        mixture = 2.0 * getattr(values, argument) - 3.0 * other
        found = call(name, table, values._replace(**{argument: mixture}))
        torch.testing.assert_close(found, 2.0 * first - 3.0 * second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("table_name", SMALL)
@pytest.mark.parametrize("name", OPERATORS)
def test_derivatives_of_first_and_second_order(name: str, table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    arguments = [argument.requires_grad_() for argument in values.without(name)]

    def operator(*tensors: Tensor) -> Tensor:
        return OPERATORS[name](*tensors, *values.topology, table.key)

    # Fast mode compares along random directions: all entries take part, at a fraction of the time.
    assert gradcheck(operator, arguments, fast_mode=True)
    assert gradgradcheck(operator, arguments, fast_mode=True)


@pytest.mark.parametrize("table_name", ["degree 3", "degree 3, parity"])
def test_derivatives_of_large_tables(table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    arguments = [argument.requires_grad_() for argument in values[:3]]

    def operator(h: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        return message_sum(table, h, Y, w, values.topology)

    assert gradcheck(operator, arguments, fast_mode=True)
    assert gradgradcheck(operator, arguments, fast_mode=True)


@pytest.mark.parametrize("argument", ["h", "Y", "w"])
def test_every_entry_of_the_derivatives(argument: str) -> None:
    table = random_table()
    values = inputs(table)
    tensor = getattr(values, argument).requires_grad_()

    def operator(value: Tensor) -> Tensor:
        replaced = values._replace(**{argument: value})
        return message_sum(table, *replaced[:3], replaced.topology)

    assert gradcheck(operator, [tensor])
    # The sum of squares makes the second derivative with respect to one argument other than zero.
    assert gradgradcheck(lambda value: (operator(value) ** 2).sum(), [tensor])


@pytest.mark.parametrize("edges", ["one atom", "one atom and its images"])
def test_derivatives_with_few_edges(edges: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table, edges)
    arguments = [argument.requires_grad_() for argument in values[:3]]
    result = message_sum(table, *arguments, values.topology)
    gradients = torch.autograd.grad((result**2).sum(), arguments, create_graph=True)
    total = sum((gradient**2).sum() for gradient in gradients)
    assert [g.shape for g in gradients] == [a.shape for a in arguments]
    second = torch.autograd.grad(total, arguments, allow_unused=True)
    assert all(g is None or torch.isfinite(g).all() for g in second)


@pytest.mark.parametrize("name", OPERATORS)
def test_float32(name: str) -> None:
    table = coupled(3, parity=True)
    single = inputs(table, dtype=torch.float32)
    found, expected = call(name, table, single), brute_force(table, single)[name]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_well_formed(name: str, requires_grad: bool) -> None:
    table = coupled(1, parity=True)
    values = inputs(table)
    arguments = [argument.requires_grad_(requires_grad) for argument in values.without(name)]
    torch.library.opcheck(OPERATORS[name], (*arguments, *values.topology, table.key))
