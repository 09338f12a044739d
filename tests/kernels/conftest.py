"""Every implementation of the kernels goes through the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from potentials.kernels.dispatch import use_kernels


@pytest.fixture(params=["reference", "cpu"])
def kernels(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs once with each implementation."""
    with use_kernels(request.param):
        yield


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads; put back afterwards."""
    number = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(number)
