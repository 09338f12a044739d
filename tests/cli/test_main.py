import subprocess
import sys
import textwrap

import pytest

from potentials.cli import main
from potentials.errors import DataError


def test_help_lists_every_command(potentials):
    result = potentials("--help")
    assert result.exit_code == 0
    for name, summary in main.COMMANDS.items():
        assert name in result.output
        assert summary in result.output


@pytest.mark.parametrize("name", main.COMMANDS)
def test_each_command_explains_itself(potentials, name):
    result = potentials(name, "--help")
    assert result.exit_code == 0
    assert f"{name} [OPTIONS]" in result.output


def test_version(potentials):
    result = potentials("--version")
    assert result.exit_code == 0
    assert result.output.startswith("potentials 0.")


def test_a_misspelt_command_gets_a_suggestion(potentials):
    result = potentials("tarin")
    assert result.exit_code == 2
    assert "train" in result.output


def _command_that_raises(monkeypatch, error):
    def schema():
        raise error

    monkeypatch.setattr("potentials.cli.schema.schema", schema)


def test_an_error_for_the_user_has_no_traceback(potentials, monkeypatch):
    _command_that_raises(monkeypatch, DataError("frame 3 of [a, b].xyz is empty"))
    result = potentials("schema")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "error: frame 3 of [a, b].xyz is empty\n"


def test_what_the_system_refuses_has_no_traceback(potentials, monkeypatch, tmp_path):
    _command_that_raises(monkeypatch, PermissionError(13, "Permission denied", "locked/model.potential"))
    result = potentials("schema")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: locked/model.potential: Permission denied\n"
    monkeypatch.chdir(tmp_path)
    result = potentials("init", "builtin:ethanol", "--output", "o" * 300)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"error: {'o' * 300}: File name too long"


def test_an_interruption_ends_with_its_own_code(potentials, monkeypatch):
    _command_that_raises(monkeypatch, KeyboardInterrupt())
    assert potentials("schema").exit_code == 130


def test_a_defect_keeps_its_traceback(potentials, monkeypatch):
    _command_that_raises(monkeypatch, ZeroDivisionError())
    assert isinstance(potentials("schema").exception, ZeroDivisionError)


def test_help_imports_nothing_slow():
    program = """
        import sys
        from potentials.cli.main import app
        try:
            app(["--help"])
        except SystemExit:
            pass
        slow = {"torch", "lightning", "wandb", "e3nn", "torch_geometric"} & set(sys.modules)
        sys.exit(f"imported: {slow}" if slow else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, stdout=subprocess.DEVNULL)
