"""The many-body operators against loops over monomials, their derivatives, and across implementations."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from slow_cases import slow_but
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from potentials.equivariant import Layout, symmetric_basis
from potentials.kernels import ManyBodyTable, many_body, many_body_gradients
from potentials.kernels.dispatch import use_kernels

CHANNELS = 2
OPERATORS = torch.ops.potentials
# Species 1 of 3 does not occur.
SPECIES = torch.tensor([2, 0, 0, 2])


def random_table(correlation: int, components: int = 4, outputs: int = 3, terms: int = 12) -> ManyBodyTable:
    """Monomials that no symmetry chose: powers of one component, fewer factors than `correlation`, repetitions."""
    random = np.random.default_rng(correlation)
    factors = np.sort(random.integers(0, components + 1, size=(terms, correlation)), axis=1)
    factors[0], factors[1], factors[2] = 0, components - 1, 0
    factors[2, 1:] = components
    return ManyBodyTable.create(components, outputs, factors, np.sort(random.integers(0, outputs, size=terms)))


def equivariant(degree: int, output_degree: int, correlation: int) -> ManyBodyTable:
    return symmetric_basis(Layout.natural(degree), Layout.natural(output_degree), correlation).table


TABLES = {
    "random, correlation 1": lambda: random_table(1),
    "random, correlation 2": lambda: random_table(2),
    "random, correlation 3": lambda: random_table(3),
    "more terms than are compiled in one piece": lambda: random_table(3, components=6, terms=700),
    "degree 0 to 0": lambda: equivariant(0, 0, 3),
    "degree 1 to 0": lambda: equivariant(1, 0, 3),
    "degree 2 to 1": lambda: equivariant(2, 1, 2),
    "degree 3 to 1": lambda: equivariant(3, 1, 3),
}
LARGE = ("degree 3 to 1", "more terms than are compiled in one piece")
SMALL = [name for name in TABLES if name not in LARGE]


class Inputs(NamedTuple):
    """Random arguments of the operators."""

    A: Tensor
    coefficients: Tensor
    species: Tensor
    order: Tensor
    g: Tensor
    v: Tensor


def inputs(
    table: ManyBodyTable, species: Tensor = SPECIES, dtype: torch.dtype = torch.float64, channels: int = CHANNELS
) -> Inputs:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    atoms = len(species)
    return Inputs(
        random(atoms, table.components, channels),
        random(3, table.num_terms, channels),
        species,
        torch.argsort(species, stable=True),
        random(atoms, table.outputs, channels),
        random(atoms, table.components, channels),
    )


def results(table: ManyBodyTable, values: Inputs) -> dict[str, Tensor]:
    """What the three operators give, by the names of `brute_force`."""
    A, coefficients, species, order, g, v = values
    gradient, coefficient_gradient = many_body_gradients(table, A, coefficients, species, order, g)
    second, directional_coefficient_gradient, directional = OPERATORS.many_body_tangents(
        A, coefficients, species, order, g, v, table.key, "Akg"
    )
    return {
        "value": many_body(table, A, coefficients, species, order),
        "gradient": gradient,
        "coefficient gradient": coefficient_gradient,
        "directional": directional,
        "second": second,
        "directional coefficient gradient": directional_coefficient_gradient,
    }


def check(found: dict[str, Tensor], expected: dict[str, NDArray], tolerance: float = 1e-12) -> None:
    for name, tensor in found.items():
        assert tensor.shape == expected[name].shape
        size = np.abs(expected[name]).max(initial=1.0)
        np.testing.assert_allclose(tensor.numpy(), expected[name], rtol=0, atol=tolerance * size)


def derivative(monomial: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The derivative of a product of components with respect to components: a factor, and what is left."""
    factor, left = 1, list(monomial)
    for component in wanted:
        factor *= left.count(component)
        if not factor:
            return 0, ()
        left.remove(component)
    return factor, tuple(left)


def brute_force(table: ManyBodyTable, values: Inputs) -> dict[str, NDArray]:
    """Every result by the rules of differentiation for powers, one atom and monomial at a time."""
    A, k, g, v = (tensor.double().numpy() for tensor in (values.A, values.coefficients, values.g, values.v))
    result = {
        "value": np.zeros(g.shape),
        "gradient": np.zeros(A.shape),
        "coefficient gradient": np.zeros(k.shape),
        "directional": np.zeros(g.shape),
        "second": np.zeros(A.shape),
        "directional coefficient gradient": np.zeros(k.shape),
    }
    for n, z in enumerate(values.species.tolist()):
        for t, (row, output) in enumerate(zip(table.factors.tolist(), table.output_of_term.tolist(), strict=True)):
            monomial = tuple(component for component in row if component < table.components)

            def value(factor: int, components: tuple[int, ...], atom: NDArray = A[n]) -> NDArray:
                return factor * np.prod(atom[list(components)], axis=0)

            whole = value(1, monomial)
            along = np.zeros(A.shape[2])
            for i in set(monomial):
                slope = value(*derivative(monomial, (i,)))
                along += slope * v[n, i]
                result["gradient"][n, i] += k[z, t] * g[n, output] * slope
                for j in set(monomial):
                    curvature = value(*derivative(monomial, (i, j)))
                    result["second"][n, i] += k[z, t] * g[n, output] * curvature * v[n, j]
            result["value"][n, output] += k[z, t] * whole
            result["directional"][n, output] += k[z, t] * along
            result["coefficient gradient"][z, t] += g[n, output] * whole
            result["directional coefficient gradient"][z, t] += g[n, output] * along
    return result


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("table_name", slow_but(TABLES, *SMALL))
def test_values(table_name: str) -> None:
    table = TABLES[table_name]()
    values = inputs(table)
    check(results(table, values), brute_force(table, values))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("species", [[1], []], ids=["one atom", "no atoms"])
def test_few_atoms(species: list[int]) -> None:
    table = TABLES["degree 1 to 0"]()
    values = inputs(table, torch.tensor(species, dtype=torch.int64))
    check(results(table, values), brute_force(table, values))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("channels", [1, 16, 37])
def test_any_number_of_channels(channels: int) -> None:
    """Full vectors, several of them, and what is left over."""
    table = TABLES["degree 2 to 1"]()
    values = inputs(table, channels=channels)
    check(results(table, values), brute_force(table, values))


@pytest.mark.parametrize("chunk", [1, 100, 10**9])
def test_the_reference_takes_atoms_in_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES["degree 2 to 1"]()
    values = inputs(table, torch.arange(11) % 3)
    monkeypatch.setattr(importlib.import_module("potentials.kernels.many_body.reference"), "_CHUNK_ELEMENTS", chunk)
    with use_kernels("reference"):
        check(results(table, values), brute_force(table, values))


@pytest.mark.usefixtures("kernels")
def test_many_atoms_of_several_species() -> None:
    """More atoms of one species than one worker sums up; species out of order."""
    table = TABLES["degree 1 to 0"]()
    species = torch.arange(300) * 7 % 11 // 5
    assert torch.bincount(species).max() > 100
    values = inputs(table, species)
    check(results(table, values), brute_force(table, values))


@pytest.mark.usefixtures("kernels")
def test_species_that_do_not_occur_get_no_gradient() -> None:
    table = TABLES["degree 3 to 1"]()
    gradient = results(table, inputs(table))["coefficient gradient"]
    assert not gradient[1].any()
    assert gradient[0].any()
    assert gradient[2].any()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("wanted", ["A", "k"])
def test_what_is_not_wanted_is_empty(wanted: str) -> None:
    table = TABLES["degree 2 to 1"]()
    values = inputs(table)
    slopes, weights = many_body_gradients(table, *values[:5], wanted)
    assert (slopes.numel() > 0, weights.numel() > 0) == ("A" in wanted, "k" in wanted)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("wanted", ["A", "k", "g", "Ak", "Ag", "kg", "Akg"])
def test_any_selection_of_second_derivatives(wanted: str) -> None:
    table = TABLES["degree 2 to 1"]()
    values = inputs(table)
    expected = brute_force(table, values)
    found = OPERATORS.many_body_tangents(*values, table.key, wanted)
    names = ("second", "directional coefficient gradient", "directional")
    check({name: x for letter, name, x in zip("Akg", names, found, strict=True) if letter in wanted}, expected)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("table_name", slow_but(TABLES, *SMALL))
def test_derivatives_of_first_and_second_order(table_name: str) -> None:
    table = TABLES[table_name]()
    values = inputs(table)

    def operator(A: Tensor, coefficients: Tensor) -> Tensor:
        return many_body(table, A, coefficients, values.species, values.order)

    arguments = (values.A.requires_grad_(), values.coefficients.requires_grad_())
    # Fast mode compares along random directions: all entries take part, at a fraction of the time.
    assert gradcheck(operator, arguments, fast_mode=True)
    assert gradgradcheck(operator, arguments, fast_mode=True)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_every_entry_of_the_derivatives(correlation: int) -> None:
    table = random_table(correlation)
    values = inputs(table)
    A, coefficients = values.A.requires_grad_(), values.coefficients.requires_grad_()

    def of_features(A: Tensor) -> Tensor:
        return (many_body(table, A, coefficients.detach(), values.species, values.order) ** 2).sum()

    def of_coefficients(coefficients: Tensor) -> Tensor:
        return (many_body(table, A.detach(), coefficients, values.species, values.order) ** 2).sum()

    for function, argument in ((of_features, A), (of_coefficients, coefficients)):
        assert gradcheck(function, [argument])
        assert gradgradcheck(function, [argument])


@pytest.mark.usefixtures("kernels")
def test_derivatives_of_the_derivatives() -> None:
    """Up to the third order, as somebody who trains on force constants would need."""
    table = random_table(3)
    values = inputs(table)
    A, coefficients, g, v = (x.requires_grad_() for x in (values.A, values.coefficients, values.g, values.v))

    def first(A: Tensor, coefficients: Tensor, g: Tensor) -> tuple[Tensor, ...]:
        return many_body_gradients(table, A, coefficients, values.species, values.order, g)

    def second(A: Tensor, coefficients: Tensor, g: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return OPERATORS.many_body_tangents(A, coefficients, values.species, values.order, g, v, table.key, "Akg")

    assert gradcheck(first, (A, coefficients, g), fast_mode=True)
    assert gradgradcheck(first, (A, coefficients, g), fast_mode=True)
    assert gradcheck(second, (A, coefficients, g, v), fast_mode=True)


@pytest.mark.usefixtures("kernels")
def test_float32() -> None:
    table = TABLES["degree 3 to 1"]()
    single = inputs(table, dtype=torch.float32)
    found = results(table, single)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    check(found, brute_force(table, single), 2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_do_not_depend_on_the_number_of_threads(dtype: torch.dtype, threads: Callable[[int], None]) -> None:
    table = TABLES["degree 2 to 1"]()
    values = inputs(table, torch.arange(300) * 7 % 11 // 5, dtype, channels=40)
    found = []
    for number in (1, 2, 3):
        threads(number)
        found.append(results(table, values))
    for name, expected in found[0].items():
        assert all(torch.equal(other[name], expected) for other in found[1:])


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("requires_grad", [False, True])
def test_operators_are_well_formed(requires_grad: bool) -> None:
    table = TABLES["degree 2 to 1"]()
    values = inputs(table)
    A, coefficients, g, v = (
        x.requires_grad_(requires_grad) for x in (values.A, values.coefficients, values.g, values.v)
    )
    atoms = (values.species, values.order)
    torch.library.opcheck(OPERATORS.many_body, (A, coefficients, *atoms, table.key))
    torch.library.opcheck(OPERATORS.many_body_gradients, (A, coefficients, *atoms, g, table.key, "Ak"))
    # Third derivatives differentiate the reference, which cannot be traced symbolically.
    untraced = ("test_schema", "test_autograd_registration", "test_faketensor")
    tangents = (A, coefficients, *atoms, g, v, table.key, "Akg")
    torch.library.opcheck(OPERATORS.many_body_tangents, tangents, test_utils=untraced)
