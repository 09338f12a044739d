"""Whatever stands in a model file: it is loaded, or refused with a message, and costs no more than its own size."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import model_files
from fuzz.model_files import Example


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(model_files.examples())
def test_any_file_is_loaded_or_refused(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    model_files.check(example, tmp_path_factory.getbasetemp())


def test_what_releases_have_written_is_accepted(tmp_path: Path) -> None:
    for data in model_files.shipped():
        assert model_files.check(Example(data), tmp_path) == "accepted"
        assert model_files.check(Example(model_files.whole(*model_files.parts(data))), tmp_path) == "accepted"
