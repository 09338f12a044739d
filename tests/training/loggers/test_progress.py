"""What a person sees while a potential is being trained."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from toy_family import toy_run

from potentials.evaluation.metrics import Error, PropertyErrors
from potentials.training.lifecycle import journal as journal_module
from potentials.training.lifecycle.journal import Journal
from potentials.training.loggers.progress import ProgressDisplay
from potentials.training.loggers.progress_lines import Moment, clock, moment_line, progress_lines
from potentials.training.run import train
from potentials.training.validations import Best, Validation

FIGURES = r"forces RMSE [\d.]+ meV/A  energy RMSE [\d.]+ meV/atom  stress RMSE [\d.]+ meV/A\^3"


def test_without_a_terminal_there_are_lines_and_no_control_codes(tmp_path, capsys):
    train(toy_run(tmp_path), progress=True)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.err + captured.out
    lines = captured.err.splitlines()
    assert any(line.startswith("note: model.elements = Cu") for line in lines)
    epochs = [line for line in lines if line.startswith("epoch ")]
    # The first and the last; those between come too fast to be worth a line.
    assert len(epochs) == 2
    figures = rf"loss [\d.]+  validation loss [\d.]+  {FIGURES}"
    assert re.fullmatch(rf"epoch 1/4  step 7  {figures}  .*  [\d.e+]+ frames/s  .*s left", epochs[0])
    assert epochs[1].startswith("epoch 4/4")
    assert not any("Lightning" in line or "GPU" in line or "Tip" in line or "Warning" in line for line in lines)
    assert captured.out.splitlines()[-3].split() == ["model", str(tmp_path / "run" / "best.potential")]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert len(re.findall(r"  epoch \d/4  step \d+  loss", log)) == 4


def shown_in_a_terminal(tmp_path, monkeypatch, width: int) -> str:
    screen = io.StringIO()

    def console(**options):
        return Console(file=screen, force_terminal=True, width=width, quiet=options["quiet"])

    monkeypatch.setattr(journal_module, "Console", console)
    monkeypatch.setattr("potentials.training.loggers.progress._REFRESH_SECONDS", 0.0)
    train(toy_run(tmp_path), progress=True)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_in_a_terminal_there_are_lines_that_stay_in_place(tmp_path, monkeypatch):
    shown = shown_in_a_terminal(tmp_path, monkeypatch, 120)
    assert re.search(r"epoch 1/4  [━─]{30}  step 3/7  [\d.e+]+ frames/s  \d+s left", shown)
    assert re.search(
        r"loss [\d.e+]+ \(energy [\d.e+-]+, forces [\d.e+-]+, stress [\d.e+-]+\)  learning rate [\d.]+", shown
    )
    assert re.search(
        r"validation: forces RMSE [\d.]+ meV/A, energy RMSE [\d.]+ meV/atom, stress RMSE [\d.]+ meV/A\^3, "
        r"best [\d.]+ \(epoch \d\)",
        shown,
    )


def test_a_narrow_terminal_is_not_filled_with_broken_lines(tmp_path, monkeypatch):
    shown = shown_in_a_terminal(tmp_path, monkeypatch, 44)
    # What stays in the terminal (notes, the table) may be longer, and is wrapped by the terminal.
    moving = [line.rstrip() for line in shown.splitlines() if line.startswith(("epoch", "loss", "validation "))]
    assert moving
    assert all(len(line) <= 44 for line in moving)
    assert any(re.fullmatch(r"epoch 2/4  .*s left\s*", line) for line in moving)
    assert any(re.fullmatch(r"validation RMSE [\d.]+ meV/A, [\d.]+ meV/atom\s*", line) for line in moving)


def moment() -> Moment:
    errors = PropertyErrors(None, Error(0.001, 0.00234, 5), Error(0.03, 0.0512, 60), Error(0.0001, 0.0002, 9))
    validation = Validation(11.0, 1100, 0, 0.01, 2.5, 1.5, errors, True)
    parts = {"energy": 0.5, "forces": 1.5, "stress": 0.0}
    return Moment(12, 200, 45, 90, parts, 0.01, 321.4, 4801.0, validation, Best(11.0, errors, [1.5]))


@pytest.mark.parametrize("width", range(8, 161))
def test_no_line_is_wider_than_the_terminal(width):
    lines = progress_lines(moment(), width)
    assert all(len(line) <= width for line in lines)
    assert width < 12 or any("12/200" in line for line in lines)
    assert width < 16 or any("loss 2" in line for line in lines)
    assert width < 22 or any("51.2 meV/A" in line for line in lines)
    assert width < 31 or any("2.34 meV/atom" in line for line in lines)
    assert width < 40 or any(re.search(r"\(energy 0.5, forces 1.5\)  (lr|learning rate) 0.01", line) for line in lines)
    assert len(lines) <= 3


def test_a_wide_terminal_shows_everything():
    assert progress_lines(moment(), 160) == [
        "epoch 12/200  " + "━" * 15 + "─" * 15 + "  step 45/90  321 frames/s  1h 20m left",
        "loss 2 (energy 0.5, forces 1.5)  learning rate 0.01",
        "validation: forces RMSE 51.2 meV/A, energy RMSE 2.34 meV/atom, stress RMSE 0.200 meV/A^3, "
        "best 51.2 (epoch 11)",
    ]


def test_before_the_first_validation_there_are_two_lines():
    early = replace(moment(), validation=None, best=None, loss_terms={"energy": 0.0, "forces": 2.0, "stress": 0.0})
    assert progress_lines(early, 60)[1:] == ["loss 2  learning rate 0.01"]


def test_one_line_holds_everything_of_a_moment():
    assert moment_line(moment()) == (
        "epoch 12/200  step 45/90  loss 2 (energy 0.5, forces 1.5)  learning rate 0.01  321 frames/s  1h 20m left"
    )


def test_before_the_first_step_there_is_no_loss():
    assert "loss -" in moment_line(replace(moment(), loss_terms={}))


def in_a_terminal(folder: Path, width: int) -> str:
    """What `potentials train` writes to a pseudo-terminal of so many columns."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        # Only what Python knows of: in the C library's environment, readline has put another width.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, "-m", "potentials", "train", "config.yaml"], environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    written = b""
    try:
        while piece := os.read(terminal, 65536):
            written += piece
    except OSError:
        pass  # so Linux says that nobody holds the other end any more
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, written.decode()
    return written.decode()


CONFIGURATION = """
run: shown
data: {train: "builtin:ethanol@:40", validation: 10, test: 10, batch_size: 4}
model: {name: schnet, cutoff: 4.0, channels: 8, layers: 1}
train: {max_epochs: 20}
logging: {report: false}
"""


def screen_lines(written: str) -> list[str]:
    """All lines that stood on the screen at some time."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written))]


@pytest.mark.slow
@pytest.mark.parametrize("width", [40, 130])
def test_in_a_real_terminal_nothing_that_moves_is_wrapped_and_the_table_fits(tmp_path, width):
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    written = in_a_terminal(tmp_path, width)
    lines = screen_lines(written)
    moving = [line for line in lines if re.match(r"epoch \d+/20  ", line)]
    assert moving
    assert not [line for line in moving if len(line) > width]
    end = lines[lines.index("finished: all epochs completed; evaluating the best model") + 1 :]
    assert all(len(line) <= width for line in end if "/runs/" not in line and "runs/" not in line)
    if width == 40:
        assert any(re.fullmatch(r"validation +10 +energy +[\d.]+ +[\d.]+", line) for line in end)
    else:
        assert any(re.fullmatch(r"validation +10( +[\d.]+){4}", line) for line in end)
    # The display takes its lines away: nothing of it stands before the last words.
    assert written.rindex("\x1b[2K") < written.index("finished: all epochs")


@pytest.mark.slow
def test_a_file_gets_plain_lines_whatever_the_environment_says(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    hints = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "SLURM_JOB_ID": "7", "COLUMNS": "40", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "potentials", "train", "config.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **hints}, capture_output=True, check=True)
    text = (done.stdout + done.stderr).decode()
    assert "\x1b" not in text
    assert "\r" not in text
    assert sum(line.startswith("epoch ") for line in text.splitlines()) >= 2


@pytest.mark.parametrize(("term", "expected"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_without_codes_is_not_redrawn(monkeypatch, term, expected):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert Journal(None, show=True).can_redraw is expected
    assert not Journal(None, show=False).can_redraw


def test_a_long_epoch_is_told_of_in_its_course(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("potentials.training.loggers.progress._LONG_EPOCH_SECONDS", 0.0)
    monkeypatch.setattr("potentials.training.loggers.progress._LINE_SECONDS", (0.0, 0.0))
    train(toy_run(tmp_path, train__max_epochs=1), progress=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch 1/1  step ")]
    assert [int(re.search(r"step (\d+)", line)[1]) for line in lines] == [1, 2, 3, 4, 5, 6, 7, 7]
    assert "validation loss" in lines[-1]


def test_the_longer_a_run_the_rarer_its_lines(tmp_path, monkeypatch):
    display = ProgressDisplay(Journal(None, show=False), 1, None, lambda: 0.0)
    display._started = 0.0
    seconds = []
    for now in (1.0, 500.0, 5_000.0, 100_000.0):
        monkeypatch.setattr("time.monotonic", lambda now=now: now)
        seconds.append(display._line_seconds())
    assert seconds == [10.0, 10.0, 100.0, 600.0]


def test_quiet_prints_nothing_but_keeps_the_log(tmp_path, capsys):
    train(toy_run(tmp_path), progress=False)
    captured = capsys.readouterr()
    assert captured.err + captured.out == ""
    assert "epoch 4/4" in (tmp_path / "run" / "log.txt").read_text()


def test_clock():
    assert [clock(seconds) for seconds in (-3, 59.4, 61, 3599, 3600, 7500)] == [
        *("0s", "59s", "1m 01s", "59m 59s", "1h 00m", "2h 05m"),
    ]
