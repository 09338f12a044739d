"""Whatever stands on the command line: it ends with a known exit code and without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from slow_cases import slow_but

from fuzz import arguments
from fuzz.arguments import Example


@pytest.mark.parametrize("number", slow_but([12, 60], "12"))
def test_any_command_line_ends(tmp_path_factory: pytest.TempPathFactory, number: int) -> None:
    @settings(max_examples=number, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(arguments.examples())
    def ends(example: Example) -> None:
        arguments.check(example, tmp_path_factory.getbasetemp())

    ends()


@pytest.mark.parametrize("command", sorted(arguments.commands()), ids=" ".join)
def test_commands_without_arguments(command: tuple[str, ...], tmp_path: Path) -> None:
    assert arguments.check(Example((*command, "--help")), tmp_path) == "ended well"
    if command not in (("dashboard",), ("doctor",), ("schema",)):
        assert arguments.check(Example(command), tmp_path) == "refused"
