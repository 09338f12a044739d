"""Whatever stands in a configuration: it is read, or refused with a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import configurations
from fuzz.configurations import Example


@pytest.mark.slow
@settings(max_examples=400, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(configurations.examples())
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    configurations.check(example, tmp_path_factory.getbasetemp())


def test_what_ships_is_accepted(tmp_path: Path) -> None:
    for study in (False, True):
        for text in configurations.shipped(study):
            assert configurations.check(Example(text.encode(), study=study), tmp_path) == "accepted"
