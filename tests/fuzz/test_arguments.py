"""Whatever stands on the command line: it ends with a known exit code and without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz import arguments
from fuzz.arguments import Example


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(arguments.examples())
def test_any_command_line_ends(tmp_path_factory: pytest.TempPathFactory, example: Example) -> None:
    arguments.check(example, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("command", sorted(arguments.commands()), ids=" ".join)
def test_commands_without_arguments(command: tuple[str, ...], tmp_path: Path) -> None:
    assert arguments.check(Example((*command, "--help")), tmp_path) == "ended well"
    if command not in (("dashboard",), ("doctor",), ("schema",)):
        assert arguments.check(Example(command), tmp_path) == "refused"
