"""Kernels for GPUs, run by Triton's interpreter on a CPU: values and derivatives against loops over terms and edges."""

from __future__ import annotations

import pytest
import torch
from ase.build import bulk
from kernels import test_many_body as many_body
from kernels.test_message_passing import (
    EDGES,
    SMALL,
    TABLES,
    brute_force,
    brute_force_tangents,
    check,
    coupled,
    gradients,
    inputs,
    table_of,
    tangents,
)
from slow_cases import slow_but
from torch.autograd import gradgradcheck

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import family_config
from potentials.data.graph import build_graph
from potentials.errors import PotentialsError
from potentials.kernels import MessageTable, message_sum
from potentials.kernels.codegen.triton.programs import is_interpreted
from potentials.kernels.dispatch import chosen_backend, describe_kernels, use_kernels
from potentials.potential import Potential

MANY_BODY = ["random, correlation 1", "random, correlation 3", "degree 1 to 0", "degree 2 to 1"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _interpreted() -> None:
    assert is_interpreted()


def check_all(table: MessageTable, edges: str, channels: int, dtype: torch.dtype = torch.float64) -> None:
    values = inputs(table, edges, dtype, channels)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    with use_kernels("gpu"):
        assert chosen_backend(values.h) == "gpu"
        check(gradients(table, values), brute_force(table, values), tolerance)
        check(tangents(table, values), brute_force_tangents(table, values, "hYw"), tolerance)


@pytest.mark.parametrize(
    "table_name",
    [
        *slow_but(SMALL, *SMALL[:2]),
        *(pytest.param(name, marks=pytest.mark.long) for name in TABLES if name not in SMALL),
    ],
)
def test_values(table_name: str) -> None:
    check_all(table_of(table_name), "edges", 2)


@pytest.mark.parametrize("edges", EDGES)
def test_few_edges(edges: str) -> None:
    check_all(coupled(1, parity=False), edges, 2)


@pytest.mark.parametrize("channels", [1, 16, 130])
def test_any_number_of_channels(channels: int) -> None:
    """Less than a block, a whole one, and more than the widest."""
    check_all(coupled(0, parity=False), "edges", channels)
    check_all(coupled(1, parity=False), "one atom and its images", channels)


def test_single_precision() -> None:
    check_all(coupled(1, parity=False), "edges", 4, torch.float32)


@pytest.mark.parametrize("wanted", ["h", "Y", "w", "g", "hw", "Yg"])
@pytest.mark.parametrize("directions", ["h", "Y", "w", "Yw"])
def test_some_of_the_derivatives(wanted: str, directions: str) -> None:
    table = coupled(0, parity=False)
    values = inputs(table)
    with use_kernels("gpu"):
        found = tangents(table, values, directions, wanted)
    check(found, brute_force_tangents(table, values, directions))


def test_derivatives_close_under_differentiation() -> None:
    table = coupled(1, parity=False)
    values = inputs(table, "one atom and its images", channels=1)
    arguments = [tensor.requires_grad_() for tensor in values[:3]]
    with use_kernels("gpu"):
        assert gradgradcheck(lambda *given: message_sum(table, *given, values.topology), arguments, fast_mode=True)


@pytest.mark.parametrize("table_name", [*MANY_BODY, pytest.param("degree 3 to 1", marks=pytest.mark.long)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_many_body_products(table_name: str, dtype: torch.dtype) -> None:
    table = many_body.TABLES[table_name]()
    values = many_body.inputs(table, dtype=dtype, channels=3)
    with use_kernels("gpu"):
        found = many_body.results(table, values)
    many_body.check(found, many_body.brute_force(table, values), 1e-12 if dtype == torch.float64 else 1e-5)


def test_many_body_products_of_no_and_of_many_atoms() -> None:
    """Also more of a species than one program sums."""
    table = many_body.TABLES["random, correlation 2"]()
    for species in (torch.zeros(0, dtype=torch.int64), torch.zeros(70, dtype=torch.int64)):
        values = many_body.inputs(table, species)
        with use_kernels("gpu"):
            many_body.check(many_body.results(table, values), many_body.brute_force(table, values))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mace", "nequip"])
def test_a_model_is_trained_as_with_the_reference(family: str) -> None:
    """Energies, forces, and the gradient of a loss of both."""
    torch.manual_seed(0)
    config = {"name": family, "cutoff": 2.6, "channels": 2, "elements": ["Si"], "average_neighbors": 4.0, "layers": 2}
    potential = Potential(family_config(config | {"scale": 1.0, "shift": 0.0}), {"Si": 0.0}, "float64").train()
    atoms = bulk("Si")
    atoms.rattle(0.1, seed=1)
    graph = build_graph(atoms, ["Si"], 2.6)
    parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    results = []
    for kernels in ("reference", "gpu"):
        with use_kernels(kernels):
            found = potential(graph)
            loss = (found.energy**2).sum() + (found.forces**2).sum()
            results.append([found.energy, found.forces, *torch.autograd.grad(loss, parameters)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12 * float(1 + other.detach().abs().max()))


def test_where_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with use_kernels("gpu"), pytest.raises(PotentialsError, match="on a CUDA device, with the package triton"):
        chosen_backend(torch.zeros(1))


def test_description() -> None:
    with use_kernels("gpu"):
        assert describe_kernels(torch.zeros(1)) == "Triton, interpreted, and plain PyTorch for the rest"
