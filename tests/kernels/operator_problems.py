"""A small problem for every operator: for tests of what all operators promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from kernels import test_block_mixing, test_edge_geometry, test_gate, test_many_body, test_message_passing
from torch import Tensor

from potentials.equivariant.spherical_harmonics import harmonics_table

# The modules; in the package their names are those of the functions.
block_mixing, edge_geometry, gate, many_body, message_passing, radial_network, spline_messages = (
    import_module(f"potentials.kernels.{name}")
    for name in (
        "block_mixing.operator",
        "edge_geometry.operator",
        "gate.operator",
        "many_body.operator",
        "message_passing.operator",
        "radial_network.operator",
        "message_passing.spline_operator",
    )
)


class Problem(NamedTuple):
    """One call of an operator.

    Attributes:
        call: the operator as a function of its floating and its integer tensors.
        numbers: the floating ones by name; the first says the type.
        integers: the others.
        further: whether its gradients can be differentiated again.
    """

    call: Callable[..., Any]
    numbers: dict[str, Tensor]
    integers: dict[str, Tensor]
    further: bool = True

    def results(self, *numbers: Tensor) -> list[Tensor]:
        """What it gives for these floating tensors, and what is empty left out."""
        found = self.call(*(numbers or self.numbers.values()), *self.integers.values())
        return [x for x in ([found] if isinstance(found, Tensor) else found) if x.numel()]


@cache
def operator_problems() -> dict[str, Problem]:
    """By the operators' names; in float64."""
    return dict([*_message_problems(), *_spline_problems(), *_many_body_problems(), *_dense_problems()])


def _message_problems() -> Iterator[tuple[str, Problem]]:
    table = test_message_passing.random_table()
    values = test_message_passing.inputs(table, channels=3)
    numbers, topology = values._asdict(), values.topology._asdict()
    del numbers["topology"]
    first = {name: numbers[name] for name in "hYw"}
    call, gradients, tangents = (
        message_passing._call_message_sum,
        message_passing._call_message_gradients,
        message_passing._call_message_tangents,
    )
    yield "message_sum", Problem(lambda *given: call(*given, table.key), first, topology)
    yield (
        "message_gradients",
        Problem(lambda *given: gradients(*given, table.key, "hYw"), first | {"g": values.g}, topology),
    )
    yield "message_tangents", Problem(lambda *given: tangents(*given, table.key, "hYwg"), numbers, topology)


def _spline_problems() -> Iterator[tuple[str, Problem]]:
    table = test_message_passing.random_table()
    values = test_message_passing.inputs(table, channels=3)
    generator = torch.Generator().manual_seed(1)
    coefficients = torch.randn(8, 6, len(table.paths) * 3, generator=generator, dtype=torch.float64)
    # Within the intervals, which begin at 0.3, 0.8, ...: values jump there.
    distances = torch.tensor([[0.43], [1.1], [2.17], [3.03], [4.02]], dtype=torch.float64)
    numbers = {"h": values.h, "Y": values.Y, "distances": distances, "coefficients": coefficients}
    rest = (0.3, 0.5, table.key)
    topology = values.topology._asdict()
    call, gradients = spline_messages._call_sum, spline_messages._call_gradients
    yield "spline_message_sum", Problem(lambda *given: call(*given, *rest), numbers, topology, False)
    yield (
        "spline_message_gradients",
        Problem(lambda *given: gradients(*given, *rest, "hYr"), numbers | {"g": values.g}, topology, False),
    )


def _many_body_problems() -> Iterator[tuple[str, Problem]]:
    table = test_many_body.random_table(3)
    values = test_many_body.inputs(table, channels=3)
    integers = {"species": values.species, "order": values.order}
    numbers = {"A": values.A, "coefficients": values.coefficients}
    call, gradients, tangents = (
        many_body._call_many_body,
        many_body._call_many_body_gradients,
        many_body._call_many_body_tangents,
    )
    yield "many_body", Problem(lambda A, k, z, o: call(A, k, z, o, table.key), numbers, integers)
    numbers = numbers | {"g": values.g}
    yield (
        "many_body_gradients",
        Problem(lambda A, k, g, z, o: gradients(A, k, z, o, g, table.key, "Ak"), numbers, integers),
    )
    numbers = numbers | {"v": values.v}
    yield (
        "many_body_tangents",
        Problem(lambda A, k, g, v, z, o: tangents(A, k, z, o, g, v, table.key, "Akg"), numbers, integers),
    )


def _dense_problems() -> Iterator[tuple[str, Problem]]:
    case = test_block_mixing.CASES["by species"]
    x, weight, g, (species, order, counts) = test_block_mixing.inputs(case)
    integers = {"species": species, "order": order}
    rest = (counts, case.table.numbers(), 0.7)
    for name, numbers in (
        ("block_mix", {"x": x, "weight": weight}),
        ("block_mix_transposed", {"g": g, "weight": weight}),
        ("block_mix_outer", {"x": x, "g": g}),
    ):
        call = getattr(block_mixing, f"_call_{name}")
        yield name, Problem(lambda *given, call=call: call(*given, *rest), numbers, integers)

    topology = test_edge_geometry.pairs_of_edges(3)
    table = harmonics_table(3)
    generator = torch.Generator().manual_seed(2)
    vectors = test_edge_geometry.vectors_of(topology)
    integers = {"edge_pair": topology.edge_pair, "pair_edges": topology.pair_edges}
    by_Y = torch.randn(topology.num_edges, table.components, generator=generator, dtype=torch.float64)
    by_distances = torch.randn(topology.num_pairs, 1, generator=generator, dtype=torch.float64)
    v = torch.randn(vectors.shape, generator=generator, dtype=torch.float64)
    for name, numbers in (
        ("edge_geometry", {"vectors": vectors}),
        ("edge_geometry_gradient", {"vectors": vectors, "by_Y": by_Y, "by_distances": by_distances}),
        ("edge_geometry_tangent", {"vectors": vectors, "v": v}),
    ):
        call = getattr(edge_geometry, f"_call_{name}")
        yield name, Problem(lambda *given, call=call: call(*given, table.key, -1.0), numbers, integers)

    x, gates = test_gate.inputs("all kinds", 3)
    numbers = {"x": x, "gates": gates, "g": torch.randn_like(x), "v": torch.randn_like(x)}
    numbers["v_gates"] = torch.randn_like(gates)
    for name, size in (("gate", 2), ("gate_gradients", 3), ("gate_tangents", 5)):
        call = getattr(gate, f"_call_{name}")
        given = dict(list(numbers.items())[:size])
        yield name, Problem(lambda *given, call=call: call(*given, *test_gate.TABLES["all kinds"].numbers()), given, {})

    sizes, scales = [3, 7, 4], [0.6, 0.4]
    shapes = {"values": (5, 3), "slopes": (5, 3), "weight": (3 * 7 + 7 * 4,)}
    numbers = {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes.items()}
    yield (
        "radial_network",
        Problem(lambda *given: radial_network.radial_network(*given, sizes, scales), numbers, {}),
    )
    hidden = radial_network._call_radial_network(*numbers.values(), sizes, scales, True)[2]
    by = {n: torch.randn(5, 4, generator=generator, dtype=torch.float64) for n in ("by_values", "by_slopes")}
    yield (
        "radial_network_gradients",
        Problem(
            lambda *given: radial_network._call_radial_network_gradients(*given, sizes, scales, True),
            numbers | {"hidden": hidden} | by,
            {},
        ),
    )
    numbers = {n: torch.randn(5, 9, generator=generator, dtype=torch.float64) for n in ("left", "right")}
    yield "row_dot", Problem(radial_network._call_row_dot, numbers, {})
