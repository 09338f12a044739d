"""Splines in place of radial networks, against the networks themselves, at all distances."""

from __future__ import annotations

import copy
from typing import cast

import numpy as np
import pytest
import torch
from families.cases import Case, cases
from slow_cases import slow_but
from torch import Tensor, nn

from potentials.equivariant import Irrep, Layout, message_table
from potentials.errors import PotentialsError
from potentials.kernels import EdgeTopology, RadialSplines, spline_message_sum
from potentials.kernels.dispatch import use_kernels
from potentials.models.blocks import EdgeEmbedding
from potentials.models.radial import RadialBasis
from potentials.models.radial_functions import RadialMap
from potentials.models.schnet import SchNet, SchNetConfig
from potentials.models.tabulation import TabulatedNetwork, largest_error, tabulated
from potentials.potential.compilation import RADIAL_TOLERANCE, compile_for_md


def has_splines(case: Case) -> bool:
    try:
        tabulated(case.potential().model, 3)
    except PotentialsError:
        return False
    return True


CASES = [case for case in cases() if has_splines(case)]
MACE, NEQUIP = (next(case for case in CASES if case.family == family) for family in ("mace", "nequip"))

FIRST = {case.family: str(case) for case in reversed(CASES)}.values()
"""The first variant of each family."""
SMALLEST = next(case for case in CASES if str(case) == "mace invariant")


def networks(case: Case) -> tuple[nn.Module, nn.Module, list[RadialMap], RadialBasis]:
    """A model with random weights in float64, the same with splines, its radial networks, and their basis."""
    model = case.potential().model
    maps = [module for module in model.modules() if isinstance(module, RadialMap)]
    (embedding,) = (module for module in model.modules() if isinstance(module, EdgeEmbedding))
    return model, tabulated(model, 1025), maps, cast(RadialBasis, embedding.radial)


def evaluated(splines: RadialSplines, distances: Tensor) -> Tensor:
    """The splines by the message-passing kernel: one message of ones along each edge, [W, F]."""
    number, functions = len(distances), splines.coefficients.shape[2]
    loops = torch.arange(number).expand(2, -1)
    table = message_table(Layout([Irrep(0, 1)]), 0, Layout([Irrep(0, 1)])).table
    dtype = splines.coefficients.dtype
    ones, Y = torch.ones(number, 1, functions, dtype=dtype), torch.ones(number, 1, dtype=dtype)
    topology = EdgeTopology.from_edge_index(loops, number)
    return spline_message_sum(table, ones, Y, distances.to(dtype).unsqueeze(1), splines, topology)[:, 0]


def expected(network: RadialMap, basis: RadialBasis, distances: Tensor) -> Tensor:
    species = torch.zeros(len(distances), dtype=torch.int64)
    with torch.no_grad():
        return network(basis(distances.to(torch.float64).unsqueeze(1), species, species)).values


def around_knots(splines: RadialSplines) -> Tensor:
    """Every knot in the arithmetic of the splines, and the numbers next to it on both sides."""
    dtype = splines.coefficients.dtype
    number = len(splines.coefficients)
    knots = splines.start + splines.step * torch.arange(number + 1, dtype=torch.float64)
    found = [knots.to(dtype)]
    for towards in (0.0, 2 * float(knots[-1])):
        nearby = found[0]
        for _ in range(3):
            nearby = torch.nextafter(nearby, torch.tensor(towards, dtype=dtype))
            found.append(nearby)
    return torch.cat(found)


@pytest.mark.parametrize("envelope", ["polynomial", "cosine", "smooth"])
def test_functions_that_bend_up_to_the_cutoff(envelope: str) -> None:
    """The second derivative of the cosine envelope jumps at the cutoff; splines end with the one from within."""
    config = SchNetConfig(
        name="schnet", cutoff=4.0, elements=["H", "O"], average_neighbors=1.0, scale=1.0, shift=0.0, channels=4,
        layers=1, radial={"size": 6, "envelope": envelope},
    )  # fmt: skip
    torch.manual_seed(1)
    model = SchNet(config).double()
    assert largest_error(model, tabulated(model, 2049)) < RADIAL_TOLERANCE["float64"]


@pytest.mark.parametrize("case", slow_but(CASES, *FIRST))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_splines_are_the_networks_everywhere(case: Case, dtype: torch.dtype, kernels: str) -> None:
    """At and around every knot, below the first one, up to the cutoff and a little beyond, and anywhere."""
    model, compiled, maps, basis = networks(case)
    bound = largest_error(model, compiled)
    generator = torch.Generator().manual_seed(0)
    anywhere = basis.cutoff * torch.rand(2000, generator=generator, dtype=torch.float64)
    ends = torch.tensor([2e-4, 1e-3, 0.01, basis.cutoff, np.nextafter(basis.cutoff, 9.0)], dtype=torch.float64)
    tabulations = [module for module in compiled.modules() if isinstance(module, TabulatedNetwork)]
    assert len(tabulations) == len(maps)
    for table, network in zip(tabulations, maps, strict=True):
        splines = RadialSplines(table.coefficients.to(dtype), table.start, table.step)
        distances = torch.cat([around_knots(splines).double(), anywhere, ends]).to(dtype)
        want = expected(network, basis, distances.clamp_max(basis.cutoff))
        found = evaluated(splines, distances).double()
        scale = want.abs().amax(dim=0).clamp_min(1e-6 * float(want.abs().max()))
        assert float(((found - want).abs() / scale).max()) < 2 * bound + 20 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_million_distances(dtype: torch.dtype) -> None:
    model, compiled, maps, basis = networks(SMALLEST)
    bound = largest_error(model, compiled)
    table = next(module for module in compiled.modules() if isinstance(module, TabulatedNetwork))
    splines = RadialSplines(table.coefficients.to(dtype), table.start, table.step)
    generator = torch.Generator().manual_seed(1)
    for _ in range(10):
        distances = (basis.cutoff * torch.rand(100_000, generator=generator, dtype=torch.float64)).to(dtype)
        want = expected(maps[0], basis, distances)
        with use_kernels("cpu"):
            found = evaluated(splines, distances)
        error = (found.double() - want).abs().amax(dim=0) / want.abs().amax(dim=0)
        assert float(error.max()) < 2 * bound + 20 * torch.finfo(dtype).eps


def test_the_error_is_measured_at_all_distances() -> None:
    """Against values and central differences of values, at places the measurement does not use."""
    _, _, maps, basis = networks(MACE)
    coarse = tabulated_alone(basis, maps[0], 33)
    splines = RadialSplines(coarse.coefficients, coarse.start, coarse.step)
    distances = torch.linspace(0.01, basis.cutoff - 0.01, 3001, dtype=torch.float64)
    want = expected(maps[0], basis, distances)
    of_values = ((evaluated(splines, distances) - want).abs() / want.abs().amax(dim=0)).max()
    ahead, behind = (evaluated(splines, distances + h) - expected(maps[0], basis, distances + h) for h in (1e-5, -1e-5))
    slope = (expected(maps[0], basis, distances + 1e-5) - expected(maps[0], basis, distances - 1e-5)) / 2e-5
    of_slopes = ((ahead - behind).abs() / 2e-5 / slope.abs().amax(dim=0)).max()
    largest = max(float(of_values), float(of_slopes))
    assert largest > 1e-5
    assert 0.8 * largest < coarse.relative_error(basis, maps[0]) < 1.5 * largest


def tabulated_alone(basis: RadialBasis, network: RadialMap, knots: int) -> TabulatedNetwork:
    return TabulatedNetwork(copy.deepcopy(basis), copy.deepcopy(network), knots)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_more_knots_until_the_bound_is_kept(precision: str) -> None:
    potential = NEQUIP.potential(precision)
    compilation = compile_for_md(potential).compilation
    assert compilation.knots is not None
    assert 0 < compilation.radial_error <= RADIAL_TOLERANCE[precision]
    model = copy.deepcopy(potential.model).double()
    fewer = tabulated(model, (compilation.knots + 1) // 2)
    assert largest_error(model, fewer) > RADIAL_TOLERANCE[precision]
