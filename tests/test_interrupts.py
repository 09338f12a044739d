"""An interrupt wins over what libraries make of it, with real signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from potentials.cli.main import app
from potentials.errors import DataError, ModelFileError, PotentialsError
from potentials.interrupts import remembering_ctrl_c
from potentials.training.lifecycle.stopping import Interruption, StopRequests


def ctrl_c(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)
    time.sleep(5)
    raise AssertionError("the signal did not come")


def translating() -> None:
    """A library that turns every exception of its own code into one of its errors, which we turn into one of ours."""
    try:
        try:
            ctrl_c()
        except BaseException as error:
            raise RuntimeError("invalid header") from error
    except RuntimeError as error:
        raise ModelFileError(f"not a model file ({error})") from error


def dropping() -> None:
    """A library that drops it, and goes on."""
    try:
        ctrl_c()
    except KeyboardInterrupt:
        return
    except Interruption:
        return


def failing() -> None:
    """A library that drops it, and fails of that in a way nobody expects."""
    dropping()
    raise RuntimeError("no result")


def handled() -> None:
    """Our code that takes note of an error and goes on, as sections of the report do."""
    try:
        translating()
    except PotentialsError:
        return


FAULTS = [translating, dropping, failing, handled]


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("fault", FAULTS)
def test_ctrl_c_wins(fault: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), remembering_ctrl_c():
        fault()
    assert str(DataError("it is forgotten")) == "it is forgotten"


@pytest.mark.parametrize("fault", FAULTS)
def test_signals_win_over_the_errors_of_a_run(fault: Callable[[], None]) -> None:
    stop = StopRequests(None)
    with pytest.raises(Interruption), stop.listening():
        fault()
    assert stop.signal == signal.SIGINT
    assert str(DataError("it is forgotten")) == "it is forgotten"


def test_errors_without_an_interrupt_are_errors() -> None:
    with pytest.raises(DataError, match="a fault"), remembering_ctrl_c():
        raise DataError("a fault")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", ["predict", "inspect", "report"])
def test_commands_end_with_130(
    fault: Callable[[], None], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from potentials.potential import model_file_contents

    @contextmanager
    def opened(*arguments: object, **options: object) -> Iterator[None]:
        fault()
        raise RuntimeError("no result")
        yield

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_file_contents, "safe_open", opened)
    arguments = {"predict": ["builtin:ethanol@:2"], "inspect": [], "report": ["builtin:ethanol@:2"]}[command]
    result = CliRunner().invoke(app, [command, "builtin:ethanol", *arguments])
    assert result.exit_code == 130, result.output
    assert "interrupted" in result.stderr
    assert "model file" not in result.stderr
    assert not list(tmp_path.iterdir())


SCRIPT = """
import os, signal, sys, time
from potentials.potential import model_file_contents
from potentials.cli.main import main

def opened(*arguments, **options):
    print("here", flush=True)
    try:
        time.sleep(60)
    except BaseException as error:
        raise model_file_contents.SafetensorError(f"invalid header: {error!r}") from None

model_file_contents.safe_open = opened
sys.argv = ["potentials", "inspect", "builtin:ethanol"]
main()
"""


@pytest.mark.slow
def test_a_signal_from_outside() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert (process.returncode, messages) == (130, "error: interrupted\n")
