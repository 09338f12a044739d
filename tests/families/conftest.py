"""Every test of this folder that asks for `case` or `potential` runs for every variant of every family, and with
every implementation of the kernels. `make test` runs the first variant of each family with compiled kernels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from families.cases import Case, case_parameters

from potentials.kernels.dispatch import use_kernels
from potentials.potential import Potential


@pytest.fixture(autouse=True, params=["cpu", pytest.param("reference", marks=pytest.mark.slow)])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    """All of physics holds for every implementation of the kernels."""
    with use_kernels(request.param):
        yield request.param


@pytest.fixture(scope="session", params=case_parameters())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="session")
def potential(case: Case) -> Potential:
    """In float64, with random weights, in evaluation mode; shared by the tests, which leave it as it is."""
    return case.potential().requires_grad_(False)
