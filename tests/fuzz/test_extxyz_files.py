"""Whatever stands in a file of structures: it is read, or refused with a message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import extxyz_files
from fuzz.extxyz_files import LABELS, Example


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(extxyz_files.examples())
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    extxyz_files.check(example, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("labels", sorted(LABELS))
def test_sound_files_are_accepted(labels: str, tmp_path: Path) -> None:
    for number, text in enumerate(extxyz_files.sound()):
        accepted = extxyz_files.check(Example(text.encode(), labels=labels), tmp_path) == "accepted"
        # Molecules have neither stress nor virial.
        assert accepted == (number == 1 or labels not in ("stress", "virial"))
