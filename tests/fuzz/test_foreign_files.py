"""Whatever stands in a model file of another program: it is converted, or refused with a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import foreign_files
from fuzz.foreign_files import FOLDER, NAMES, Example


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(foreign_files.examples())
def test_any_file_is_converted_or_refused(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    foreign_files.check(example, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("name", NAMES)
def test_what_the_programs_have_written_is_accepted(tmp_path: Path, name: str) -> None:
    head = "pbe" if name.startswith("sevenn-modals") else None
    assert foreign_files.check(Example(name, (FOLDER / name).read_bytes(), head), tmp_path) == "accepted"
