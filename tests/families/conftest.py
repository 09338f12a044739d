"""Every test of this folder that asks for `case` or `potential` runs for every variant of every family, and with
every implementation of the kernels."""

from __future__ import annotations

import pytest
from families.cases import Case, cases

from potentials.potential import Potential


@pytest.fixture(autouse=True)
def every_implementation(kernels: str) -> str:
    """All of physics holds for every implementation of the kernels."""
    return kernels


@pytest.fixture(scope="session", params=cases(), ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="session")
def potential(case: Case) -> Potential:
    """In float64, with random weights, in evaluation mode; shared by the tests, which leave it as it is."""
    return case.potential().requires_grad_(False)
