"""The message-passing operators against loops over terms and edges, their derivatives, and across implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from slow_cases import slow_but
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from potentials.equivariant import Layout, message_table
from potentials.kernels import EdgeTopology, MessagePath, MessageTable, message_gradients, message_sum

CHANNELS = 2
ARGUMENTS = "hYwg"
OPERATORS = torch.ops.potentials


def random_table() -> MessageTable:
    """Couplings that no group theory made: blocks of all sizes, strided and shuffled receivers."""
    random = np.random.default_rng(0)
    paths = [
        MessagePath(2, 1, 6, 1, random.normal(size=(3, 2, 1))),
        MessagePath(0, 0, 0, 2, random.normal(size=(4, 4, 3))),
        MessagePath(4, 3, 1, 2, random.normal(size=(1, 1, 3))),
        MessagePath(0, 0, 7, 1, random.normal(size=(1, 1, 1))),
        MessagePath(1, 2, 8, 1, random.normal(size=(2, 1, 2)), sender_step=2),
    ]
    return MessageTable.create(5, 4, 10, paths)


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
    # Number of atoms; senders and receivers; edges that share their radial weights, which to the kernels any two may.
    # Atom 1 receives nothing, atom 3 does nothing at all; an atom neighbors its own image, one pair occurs twice.
    "edges": (5, [[2, 0, 2, 1, 1, 4, 0], [0, 0, 0, 2, 4, 4, 4]], [[0, 0], [1, 5], [2, 3], [4, 4], [6, 6]]),
    "one atom": (1, [[], []], []),
    "one atom and its images": (1, [[0, 0], [0, 0]], [[0, 1]]),
    "no atoms": (0, [[], []], []),
}


def table_of(name: str) -> MessageTable:
    return random_table() if name == "random" else coupled(*TABLES[name])


class Inputs(NamedTuple):
    """Random arguments of Q, and a direction of each; `g` has the shape of the summed message."""

    h: Tensor
    Y: Tensor
    w: Tensor
    g: Tensor
    dh: Tensor
    dY: Tensor
    dw: Tensor
    topology: EdgeTopology


def topology_of(edges: str) -> EdgeTopology:
    num_nodes, pairs, shared = EDGES[edges]
    topology = EdgeTopology.from_edge_index(torch.tensor(pairs, dtype=torch.int64), num_nodes)
    pair_edges = torch.tensor(shared, dtype=torch.int64).reshape(-1, 2)
    edge_pair = torch.empty(topology.num_edges, dtype=torch.int64)
    for pair, members in enumerate(shared):
        edge_pair[members] = pair
    return topology._replace(edge_pair=edge_pair, pair_edges=pair_edges)


def inputs(
    table: MessageTable, edges: str = "edges", dtype: torch.dtype = torch.float64, channels: int = CHANNELS
) -> Inputs:
    topology = topology_of(edges)
    generator = torch.Generator().manual_seed(0)
    shapes = [
        (topology.num_nodes, table.sender_components, channels),
        (topology.num_edges, table.harmonic_components),
        (topology.num_pairs, len(table.paths), channels),
        (topology.num_nodes, table.receiver_components, channels),
    ]
    values = [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in [*shapes, *shapes[:3]]]
    return Inputs(*values, topology)


def brute_force(table: MessageTable, values: Inputs) -> dict[str, NDArray]:
    """The derivative of Q with respect to each argument, one term and edge at a time."""
    h, Y, w, g = (tensor.double().numpy() for tensor in values[:4])
    gradient = {name: np.zeros(getattr(values, name).shape) for name in ARGUMENTS}
    indices, coefficients = table.terms()
    topology = values.topology
    edges = zip(topology.senders.tolist(), topology.receivers.tolist(), topology.edge_pair.tolist(), strict=True)
    for e, (sender, receiver, pair) in enumerate(edges):
        for (p, a, b, d), c in zip(indices, coefficients, strict=True):
            gradient["g"][receiver, d] += c * h[sender, a] * Y[e, b] * w[pair, p]
            gradient["h"][sender, a] += c * Y[e, b] * w[pair, p] * g[receiver, d]
            gradient["Y"][e, b] += c * (h[sender, a] * w[pair, p] * g[receiver, d]).sum()
            gradient["w"][pair, p] += c * h[sender, a] * Y[e, b] * g[receiver, d]
    return gradient


def brute_force_tangents(table: MessageTable, values: Inputs, directions: str) -> dict[str, NDArray]:
    """Q is linear in each argument: put each direction in its argument's place and add up."""
    total = {name: np.zeros(getattr(values, name).shape) for name in ARGUMENTS}
    for name in directions:
        replaced = brute_force(table, values._replace(**{name: getattr(values, f"d{name}")}))
        for other, gradient in replaced.items():
            if other != name:
                total[other] += gradient
    return total


def gradients(table: MessageTable, values: Inputs) -> dict[str, Tensor]:
    """What the first two operators give."""
    found = message_gradients(table, *values[:4], values.topology)
    return dict(zip("hYw", found, strict=True)) | {"g": message_sum(table, *values[:3], values.topology)}


def tangents(
    table: MessageTable, values: Inputs, directions: str = "hYw", wanted: str = ARGUMENTS
) -> dict[str, Tensor]:
    along = [getattr(values, f"d{name}") if name in directions else None for name in "hYw"]
    found = OPERATORS.message_tangents(*values[:4], *along, *values.topology, table.key, wanted)
    return {name: x for name, x in zip(ARGUMENTS, found, strict=True) if name in wanted}


def check(found: dict[str, Tensor], expected: dict[str, NDArray], tolerance: float = 1e-12) -> None:
    for name, tensor in found.items():
        size = np.abs(expected[name]).max(initial=1.0)
        np.testing.assert_allclose(tensor.numpy(), expected[name], rtol=0, atol=tolerance * size)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("table_name", slow_but(["random", *TABLES], *SMALL))
def test_values(table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    check(gradients(table, values), brute_force(table, values))
    check(tangents(table, values), brute_force_tangents(table, values, "hYw"))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("directions", ["h", "Y", "w", "hY", "Yw"])
def test_directions_may_be_absent(directions: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table)
    check(tangents(table, values, directions), brute_force_tangents(table, values, directions))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("wanted", ["h", "Y", "w", "g", "hw", "Yg"])
def test_what_is_not_wanted_is_empty(wanted: str) -> None:
    table = coupled(2, parity=False)
    values = inputs(table)
    first = message_gradients(table, *values[:4], values.topology, wanted)
    expected = brute_force(table, values)
    for name, x in zip("hYw", first, strict=True):
        check({name: x} if name in wanted else {}, expected)
        assert name in wanted or x.numel() == 0
    check(tangents(table, values, wanted=wanted), brute_force_tangents(table, values, "hYw"))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("edges", EDGES)
def test_few_edges(edges: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table, edges)
    check(gradients(table, values), brute_force(table, values))
    check(tangents(table, values), brute_force_tangents(table, values, "hYw"))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("channels", slow_but([1, 16, 37, 64], "1", "37"))
def test_any_number_of_channels(channels: int) -> None:
    """Full vectors, several of them, and what is left over."""
    table = coupled(1, parity=True)
    values = inputs(table, channels=channels)
    check(gradients(table, values), brute_force(table, values))
    check(tangents(table, values), brute_force_tangents(table, values, "hYw"))


@pytest.mark.usefixtures("kernels")
def test_many_edges_of_one_atom() -> None:
    """More than are worked on at a time."""
    table = coupled(1, parity=False)
    senders = torch.arange(100) % 7
    topology = EdgeTopology.from_edge_index(torch.stack([senders, torch.full_like(senders, 3)]), 7)
    values = inputs(table)
    generator = torch.Generator().manual_seed(1)
    sizes = {"h": 7, "Y": 100, "w": 100, "g": 7}
    fresh = {
        name: torch.randn((sizes[name[-1]], *getattr(values, name).shape[1:]), generator=generator, dtype=torch.float64)
        for name in (*ARGUMENTS, "dh", "dY", "dw")
    }
    values = Inputs(**fresh, topology=topology)
    check(gradients(table, values), brute_force(table, values))
    check(tangents(table, values), brute_force_tangents(table, values, "hYw"))


@pytest.mark.usefixtures("kernels")
def test_arguments_need_not_be_contiguous() -> None:
    table = coupled(1, parity=True)
    values = inputs(table)
    strided = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in values[:7]]
    assert not strided[0].is_contiguous()
    check(gradients(table, Inputs(*strided, values.topology)), brute_force(table, values))


@pytest.mark.usefixtures("kernels")
def test_atoms_without_edges_get_exactly_nothing() -> None:
    table = coupled(2, parity=False)
    values = inputs(table)
    found = gradients(table, values)
    assert not found["g"][[1, 3]].any()
    assert not found["h"][3].any()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("table_name", SMALL)
def test_derivatives_of_first_and_second_order(table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    h, Y, w, g, *along = (tensor.requires_grad_() for tensor in values[:7])

    def total(h: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        return message_sum(table, h, Y, w, values.topology)

    def first(h: Tensor, Y: Tensor, w: Tensor, g: Tensor) -> tuple[Tensor, ...]:
        return message_gradients(table, h, Y, w, g, values.topology)

    def second(*arguments: Tensor) -> tuple[Tensor, ...]:
        return OPERATORS.message_tangents(*arguments, *values.topology, table.key, ARGUMENTS)

    # Fast mode compares along random directions: all entries take part, at a fraction of the time.
    for operator, arguments in ((total, (h, Y, w)), (first, (h, Y, w, g)), (second, (h, Y, w, g, *along))):
        assert gradcheck(operator, arguments, fast_mode=True)
        assert gradgradcheck(operator, arguments, fast_mode=True)


@pytest.mark.usefixtures("kernels")
def test_arguments_may_depend_on_each_other() -> None:
    """Scalar products of what both ends of an edge make of the same features, in plain PyTorch and as a gradient of
    message passing; the loss is of their derivatives, as in training on forces."""
    paths = [MessagePath(0, 0, 0, 1, np.eye(1)[:, None]), MessagePath(1, 0, 1, 1, np.eye(3)[:, None])]
    table = MessageTable.create(4, 1, 4, paths)
    topology = topology_of("edges")
    generator = torch.Generator().manual_seed(0)
    x, matrix = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((topology.num_nodes, 4, 2), (2, 2))
    )
    directed = topology.directed()
    ones = torch.ones(topology.num_edges, 1, dtype=torch.float64)

    def with_kernel(key: Tensor, query: Tensor) -> Tensor:
        return message_gradients(table, key, ones, torch.zeros(len(ones), 2, 2).double(), query, directed, "w")[2]

    def plain(key: Tensor, query: Tensor) -> Tensor:
        products = key[topology.senders] * query[topology.receivers]
        return torch.stack([products[:, 0], products[:, 1:].sum(dim=1)], dim=1)

    found = []
    for scalar_products in (plain, with_kernel):
        query = torch.tanh(x @ matrix)
        # The key depends on the query too: one argument of the operator on another.
        dots = scalar_products(query * x, query)
        (slope,) = torch.autograd.grad((dots**3).sum(), x, create_graph=True)
        found.append(torch.autograd.grad((slope**2).sum(), [x, matrix]))
    for expected, result in zip(*found, strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("wanted", ["h", "Y", "w", "hw"])
def test_derivatives_of_some_gradients(wanted: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table)
    arguments = [tensor.requires_grad_() for tensor in values[:4]]

    def some(*arguments: Tensor) -> tuple[Tensor, ...]:
        found = message_gradients(table, *arguments, values.topology, wanted)
        return tuple(x for name, x in zip("hYw", found, strict=True) if name in wanted)

    assert gradcheck(some, arguments, fast_mode=True)
    assert gradgradcheck(some, arguments, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("table_name", ["degree 3", pytest.param("degree 3, parity", marks=pytest.mark.long)])
def test_derivatives_of_large_tables(table_name: str) -> None:
    table = table_of(table_name)
    values = inputs(table)
    arguments = [argument.requires_grad_() for argument in values[:3]]

    def operator(h: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        return message_sum(table, h, Y, w, values.topology)

    assert gradcheck(operator, arguments, fast_mode=True)
    assert gradgradcheck(operator, arguments, fast_mode=True)


@pytest.mark.usefixtures("kernels")
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


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("edges", ["one atom", "one atom and its images"])
def test_derivatives_with_few_edges(edges: str) -> None:
    table = coupled(1, parity=True)
    values = inputs(table, edges)
    arguments = [argument.requires_grad_() for argument in values[:3]]
    result = message_sum(table, *arguments, values.topology)
    first = torch.autograd.grad((result**2).sum(), arguments, create_graph=True)
    total = sum((gradient**2).sum() for gradient in first)
    assert [g.shape for g in first] == [a.shape for a in arguments]
    second = torch.autograd.grad(total, arguments, allow_unused=True)
    assert all(g is None or torch.isfinite(g).all() for g in second)


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
def test_float32() -> None:
    table = coupled(3, parity=True)
    single = inputs(table, dtype=torch.float32)
    found = gradients(table, single)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    check(found, brute_force(table, single), 2e-6)
    check(tangents(table, single), brute_force_tangents(table, single, "hYw"), 2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", slow_but([torch.float32, torch.float64], "torch.float64"))
def test_results_do_not_depend_on_the_number_of_threads(dtype: torch.dtype, threads: Callable[[int], None]) -> None:
    table = coupled(2, parity=True)
    values = inputs(table, dtype=dtype, channels=40)
    results = []
    for number in (1, 2, 3):
        threads(number)
        results.append([*gradients(table, values).values(), *tangents(table, values).values()])
    for first, *others in zip(*results, strict=True):
        assert all(torch.equal(first, other) for other in others)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("requires_grad", [False, True])
def test_operators_are_well_formed(requires_grad: bool) -> None:
    table = coupled(1, parity=True)
    values = inputs(table)
    h, Y, w, g, dh, _, dw = (argument.requires_grad_(requires_grad) for argument in values[:7])
    topology = values.topology
    torch.library.opcheck(OPERATORS.message_sum, (h, Y, w, *topology, table.key))
    torch.library.opcheck(OPERATORS.message_gradients, (h, Y, w, g, *topology, table.key, "hw"))
    torch.library.opcheck(OPERATORS.message_tangents, (h, Y, w, g, dh, None, dw, *topology, table.key, "hYwg"))
