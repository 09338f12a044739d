"""The many-body operators against loops over monomials, and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from potentials.equivariant import Layout, symmetric_basis
from potentials.kernels import ManyBodyTable, many_body, reference

CHANNELS = 2
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
    "degree 0 to 0": lambda: equivariant(0, 0, 3),
    "degree 1 to 0": lambda: equivariant(1, 0, 3),
    "degree 2 to 1": lambda: equivariant(2, 1, 2),
    "degree 3 to 1": lambda: equivariant(3, 1, 3),
}


def inputs(table: ManyBodyTable, species: Tensor = SPECIES, dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    """Random arguments of the operators, by the names of their schemas."""
    generator = torch.Generator().manual_seed(0)
    num_nodes = len(species)
    shapes = {
        "A": (num_nodes, table.components, CHANNELS),
        "coefficients": (3, table.num_terms, CHANNELS),
        "g": (num_nodes, table.outputs, CHANNELS),
        "v": (num_nodes, table.components, CHANNELS),
    }
    values = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    rest = {"species": species, "num_species": 3, "key": table.key}
    return {name: value.to(dtype) for name, value in values.items()} | rest


OPERATORS = {
    "many_body": ("A", "coefficients", "species"),
    "many_body_gradient": ("A", "coefficients", "species", "g"),
    "many_body_coefficient_gradient": ("A", "species", "g", "num_species"),
    "many_body_directional": ("A", "coefficients", "species", "v"),
    "many_body_second": ("A", "coefficients", "species", "g", "v"),
    "many_body_directional_coefficient_gradient": ("A", "species", "g", "v", "num_species"),
}
DIFFERENTIABLE = ("many_body", "many_body_gradient", "many_body_coefficient_gradient")


def call(name: str, values: dict[str, Any]) -> Tensor:
    operator = getattr(torch.ops.potentials, name)
    return operator(*(values[argument] for argument in OPERATORS[name]), values["key"])


def derivative(monomial: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The derivative of a product of components with respect to components: a factor, and what is left."""
    factor, left = 1, list(monomial)
    for component in wanted:
        factor *= left.count(component)
        if not factor:
            return 0, ()
        left.remove(component)
    return factor, tuple(left)


def brute_force(table: ManyBodyTable, values: dict[str, Any]) -> dict[str, NDArray]:
    """Every operator by the rules of differentiation for powers, one atom and monomial at a time."""
    A, k, g, v = (values[name].double().numpy() for name in ("A", "coefficients", "g", "v"))
    result = {
        "many_body": np.zeros(g.shape),
        "many_body_gradient": np.zeros(A.shape),
        "many_body_coefficient_gradient": np.zeros(k.shape),
        "many_body_directional": np.zeros(g.shape),
        "many_body_second": np.zeros(A.shape),
        "many_body_directional_coefficient_gradient": np.zeros(k.shape),
    }
    for n, z in enumerate(values["species"].tolist()):
        for t, (row, output) in enumerate(zip(table.factors.tolist(), table.output_of_term.tolist(), strict=True)):
            monomial = tuple(component for component in row if component < table.components)

            def value(factor: int, components: tuple[int, ...], atom: NDArray = A[n]) -> NDArray:
                return factor * np.prod(atom[list(components)], axis=0)

            whole = value(1, monomial)
            along = np.zeros(CHANNELS)
            for i in set(monomial):
                slope = value(*derivative(monomial, (i,)))
                along += slope * v[n, i]
                result["many_body_gradient"][n, i] += k[z, t] * g[n, output] * slope
                for j in set(monomial):
                    curvature = value(*derivative(monomial, (i, j)))
                    result["many_body_second"][n, i] += k[z, t] * g[n, output] * curvature * v[n, j]
            result["many_body"][n, output] += k[z, t] * whole
            result["many_body_directional"][n, output] += k[z, t] * along
            result["many_body_coefficient_gradient"][z, t] += g[n, output] * whole
            result["many_body_directional_coefficient_gradient"][z, t] += g[n, output] * along
    return result


@pytest.mark.parametrize("table_name", TABLES)
def test_values(table_name: str) -> None:
    table = TABLES[table_name]()
    values = inputs(table)
    for name, expected in brute_force(table, values).items():
        np.testing.assert_allclose(call(name, values).numpy(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        many_body(table, values["A"], values["coefficients"], SPECIES), call("many_body", values)
    )


@pytest.mark.parametrize("species", [[1], []], ids=["one atom", "no atoms"])
@pytest.mark.parametrize("name", OPERATORS)
def test_few_atoms(name: str, species: list[int]) -> None:
    table = TABLES["degree 1 to 0"]()
    values = inputs(table, torch.tensor(species, dtype=torch.int64))
    expected = brute_force(table, values)[name]
    found = call(name, values)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPERATORS)
def test_many_atoms_are_done_in_chunks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES["degree 2 to 1"]()
    species = torch.arange(11) % 3
    values = inputs(table, species)
    expected = brute_force(table, values)[name]
    for chunk in (1, 4 * table.num_terms * CHANNELS, 10**9):
        monkeypatch.setattr(reference, "_CHUNK_ELEMENTS", chunk)
        np.testing.assert_allclose(call(name, values).numpy(), expected, rtol=1e-12, atol=1e-12)


def test_species_that_do_not_occur_get_no_gradient() -> None:
    values = inputs(TABLES["degree 3 to 1"]())
    gradient = call("many_body_coefficient_gradient", values)
    assert not gradient[1].any()
    assert gradient[0].any()
    assert gradient[2].any()


def test_linear_in_the_coefficients() -> None:
    table = TABLES["degree 3 to 1"]()
    values = inputs(table)
    other = torch.randn_like(values["coefficients"])
    first, second = call("many_body", values), call("many_body", values | {"coefficients": other})
    mixture = values | {"coefficients": 2.0 * values["coefficients"] - 3.0 * other}
    torch.testing.assert_close(call("many_body", mixture), 2.0 * first - 3.0 * second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("table_name", TABLES)
def test_derivatives_of_first_and_second_order(table_name: str) -> None:
    table = TABLES[table_name]()
    values = inputs(table)
    A, coefficients = values["A"].requires_grad_(), values["coefficients"].requires_grad_()

    def operator(A: Tensor, coefficients: Tensor) -> Tensor:
        return many_body(table, A, coefficients, SPECIES)

    # Fast mode compares along random directions: all entries take part, at a fraction of the time.
    assert gradcheck(operator, (A, coefficients), fast_mode=True)
    assert gradgradcheck(operator, (A, coefficients), fast_mode=True)


@pytest.mark.parametrize("argument", ["A", "coefficients"])
@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_every_entry_of_the_derivatives(correlation: int, argument: str) -> None:
    table = random_table(correlation)
    values = inputs(table)
    tensor = values[argument].requires_grad_()

    def operator(value: Tensor) -> Tensor:
        return call("many_body", values | {argument: value})

    assert gradcheck(operator, [tensor])
    assert gradgradcheck(lambda value: (operator(value) ** 2).sum(), [tensor])


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_of_the_derivatives(name: str) -> None:
    table = random_table(3)
    values = inputs(table)
    names = [argument for argument in OPERATORS[name] if argument in ("A", "coefficients", "g")]
    tensors = [values[argument].requires_grad_() for argument in names]

    def operator(*arguments: Tensor) -> Tensor:
        return call(name, values | dict(zip(names, arguments, strict=True)))

    assert gradcheck(operator, tensors)


@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - set(DIFFERENTIABLE)))
def test_a_third_derivative_is_an_error_not_a_zero(name: str) -> None:
    values = inputs(random_table(3))
    values["A"].requires_grad_()
    with pytest.raises(RuntimeError, match="no autograd formula"):
        call(name, values).sum().backward()


@pytest.mark.parametrize("name", OPERATORS)
def test_float32(name: str) -> None:
    table = TABLES["degree 3 to 1"]()
    single = inputs(table, dtype=torch.float32)
    found, expected = call(name, single), brute_force(table, single)[name]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "requires_grad"), [(name, False) for name in OPERATORS] + [(name, True) for name in DIFFERENTIABLE]
)
def test_operators_are_well_formed(name: str, requires_grad: bool) -> None:
    values = inputs(TABLES["degree 2 to 1"]())
    arguments = [values[argument] for argument in OPERATORS[name]]
    for argument in arguments:
        if isinstance(argument, Tensor) and argument.is_floating_point():
            argument.requires_grad_(requires_grad)
    torch.library.opcheck(getattr(torch.ops.potentials, name), (*arguments, values["key"]))
