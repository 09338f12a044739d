"""What a person sees while a potential is being trained."""

from __future__ import annotations

import io
import re

from rich.console import Console
from toy_family import toy_run

from potentials.training import journal as journal_module
from potentials.training.progress import _clock
from potentials.training.run import train

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
    assert re.fullmatch(rf"epoch 1/4  loss [\d.]+  validation loss [\d.]+  {FIGURES}  .*s left", epochs[0])
    assert epochs[1].startswith("epoch 4/4")
    assert not any("Lightning" in line or "GPU" in line or "Tip" in line or "Warning" in line for line in lines)
    assert captured.out.splitlines()[-3].split() == ["model", str(tmp_path / "run" / "best.potential")]
    log = (tmp_path / "run" / "log.txt").read_text()
    assert len(re.findall(r"  epoch \d/4  loss", log)) == 4


def test_in_a_terminal_there_is_one_line_that_moves(tmp_path, monkeypatch):
    screen = io.StringIO()

    def console(**options):
        return Console(file=screen, force_terminal=True, width=200, quiet=options["quiet"])

    monkeypatch.setattr(journal_module, "Console", console)
    monkeypatch.setattr("potentials.training.progress._REFRESH_SECONDS", 0.0)
    train(toy_run(tmp_path), progress=True)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"epoch 1/4 \S+ 3/7  loss [\d.e+]+  \d+s left", shown)
    assert re.search(
        r"epoch 3/4 \S+ 5/7  loss [\d.e+]+  validation: forces RMSE [\d.]+ meV/A, energy RMSE [\d.]+ meV/atom, "
        r"best [\d.]+ \(epoch \d\)  \d+s left",
        shown,
    )


def test_quiet_prints_nothing_but_keeps_the_log(tmp_path, capsys):
    train(toy_run(tmp_path), progress=False)
    captured = capsys.readouterr()
    assert captured.err + captured.out == ""
    assert "epoch 4/4" in (tmp_path / "run" / "log.txt").read_text()


def test_clock():
    assert [_clock(seconds) for seconds in (-3, 59.4, 61, 3599, 3600, 7500)] == [
        *("0s", "59s", "1m 01s", "59m 59s", "1h 00m", "2h 05m"),
    ]
