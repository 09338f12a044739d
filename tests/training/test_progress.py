"""What a person sees while a potential is being trained."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from toy_family import toy_run

from potentials.training import journal as journal_module
from potentials.training.metrics import Error, PropertyErrors
from potentials.training.progress_lines import Moment, clock, progress_lines
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
    monkeypatch.setattr("potentials.training.progress._REFRESH_SECONDS", 0.0)
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
    moving = [line.rstrip() for line in shown.splitlines() if line.startswith(("epoch", "loss", "validation: "))]
    assert moving
    assert all(len(line) <= 44 for line in moving)
    assert any(re.fullmatch(r"epoch 2/4  .*s left\s*", line) for line in moving)
    assert any(re.fullmatch(r"validation: forces RMSE [\d.]+ meV/A\s*", line) for line in moving)


def moment() -> Moment:
    errors = PropertyErrors(None, Error(0.001, 0.00234, 5), Error(0.03, 0.0512, 60), Error(0.0001, 0.0002, 9))
    validation = Validation(11.0, 1100, 0, 0.01, 2.5, 1.5, errors, True)
    parts = {"energy": 0.5, "forces": 1.5, "stress": 0.0}
    return Moment(12, 200, 45, 90, 2.0, parts, 0.01, 321.4, 4801.0, validation, Best(11.0, errors, [1.5]))


@pytest.mark.parametrize("width", range(8, 161))
def test_no_line_is_wider_than_the_terminal(width):
    lines = progress_lines(moment(), width)
    assert all(len(line) <= width for line in lines)
    assert width < 12 or any("12/200" in line for line in lines)
    assert width < 16 or any("loss 2" in line for line in lines)
    assert width < 34 or any("forces RMSE 51.2 meV/A" in line for line in lines)
    assert len(lines) <= 3


def test_a_wide_terminal_shows_everything():
    assert progress_lines(moment(), 160) == [
        "epoch 12/200  " + "━" * 15 + "─" * 15 + "  step 45/90  321 frames/s  1h 20m left",
        "loss 2 (energy 0.5, forces 1.5)  learning rate 0.01",
        "validation: forces RMSE 51.2 meV/A, energy RMSE 2.34 meV/atom, stress RMSE 0.2 meV/A^3, best 51.2 (epoch 11)",
    ]


def test_before_the_first_validation_there_are_two_lines():
    early = replace(moment(), validation=None, best=None, loss_parts={"energy": 0.0, "forces": 2.0, "stress": 0.0})
    assert progress_lines(early, 60)[1:] == ["loss 2  learning rate 0.01"]


def test_quiet_prints_nothing_but_keeps_the_log(tmp_path, capsys):
    train(toy_run(tmp_path), progress=False)
    captured = capsys.readouterr()
    assert captured.err + captured.out == ""
    assert "epoch 4/4" in (tmp_path / "run" / "log.txt").read_text()


def test_clock():
    assert [clock(seconds) for seconds in (-3, 59.4, 61, 3599, 3600, 7500)] == [
        *("0s", "59s", "1m 01s", "59m 59s", "1h 00m", "2h 05m"),
    ]
