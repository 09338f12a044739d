"""The toy family, for these tests only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from toy_family import forget_toy, register_toy


@pytest.fixture(scope="module", autouse=True)
def _toy_family() -> Iterator[None]:
    register_toy()
    yield
    forget_toy()
