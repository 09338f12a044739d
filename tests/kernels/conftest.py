"""What the tests of kernels share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads; put back afterwards."""
    number = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(number)
