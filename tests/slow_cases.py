"""Cases of which `make test` runs some and `make test-slow` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(cases: Iterable[Any], *fast: str) -> list[Any]:
    """Parameters of a test, all slow but those whose text is among `fast`."""
    params = [pytest.param(case, id=str(case), marks=[] if str(case) in fast else pytest.mark.slow) for case in cases]
    missing = set(fast) - {param.id for param in params}
    if missing:
        raise ValueError(f"no such cases: {sorted(missing)}")
    return params
