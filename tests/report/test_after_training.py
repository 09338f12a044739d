import os
import signal
import subprocess
import sys
import time

import pytest
from run_comparison import interrupt_at_the_end_of
from toy_family import toy_run

from potentials.errors import TrainingError
from potentials.report import after_training
from potentials.report import report as report_module
from potentials.report.after_training import train_and_report
from potentials.report.report import Entry
from potentials.training.lifecycle.run_folder import RunFolder


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Reports of one section that is quickly made; how often it was."""
    calls = []

    def section(subject):
        calls.append(subject)
        return report_module.Section("Only")

    monkeypatch.setattr(
        report_module, "SECTIONS", {"only": Entry("Only", section), "long": Entry("Long", section, True)}
    )
    return calls


def train(tmp_path, **changes):
    return train_and_report(
        toy_run(tmp_path, train__max_epochs=1) if not changes else toy_run(tmp_path, **changes), progress=False
    )


def test_a_finished_run_has_a_report_and_says_where(tmp_path, made, capsys):
    done = train_and_report(toy_run(tmp_path, train__max_epochs=1))
    assert done.report == done.training.folder / "report.html"
    assert done.report.is_file()
    assert str(done.report) in capsys.readouterr().out
    assert f"report  {done.report}" in (done.training.folder / "log.txt").read_text()
    assert len(made) == 2


@pytest.mark.slow
def test_a_second_start_makes_it_only_if_it_is_not_there(tmp_path, made):
    first = train(tmp_path)
    before = first.report.stat().st_mtime_ns
    assert train(tmp_path).report.stat().st_mtime_ns == before
    assert len(made) == 2
    first.report.unlink()
    assert train(tmp_path).report.is_file()
    assert len(made) == 4


@pytest.mark.slow
def test_a_run_that_is_trained_further_gets_a_new_one(tmp_path, made):
    first = train(tmp_path).report.stat().st_mtime_ns
    again = train(tmp_path, train__max_epochs=2)
    assert again.report.stat().st_mtime_ns > first
    assert len(made) == 4


def test_it_can_be_left_out_or_be_quick(tmp_path, made):
    assert train(tmp_path, train__max_epochs=1, logging__report="false").report is None
    assert made == []
    assert train(tmp_path, train__max_epochs=1, logging__report="quick").report.is_file()
    assert len(made) == 1


def test_an_interrupted_run_has_none(tmp_path, made, monkeypatch):
    interrupt_at_the_end_of(monkeypatch, 1)
    done = train(tmp_path, train__max_epochs=3)
    assert done.training.interrupted
    assert (done.report, made) == (None, [])


def test_other_processes_leave_it_to_the_first(tmp_path, made, monkeypatch):
    monkeypatch.setattr(after_training, "is_first_process", lambda: False)
    assert train(tmp_path).report is None
    assert made == []


def test_a_folder_in_use_is_left_alone(tmp_path, made, monkeypatch):
    folder = train(tmp_path, train__max_epochs=1, logging__report="false").training.folder
    original = after_training.train

    def train_and_lose_the_lock(config, progress):
        result = original(config, progress=progress)
        stack.enter_context(RunFolder(f"{folder}/").lock())
        return result

    from contextlib import ExitStack

    with ExitStack() as stack:
        monkeypatch.setattr(after_training, "train", train_and_lose_the_lock)
        assert train(tmp_path).report is None
    assert "another process" in (folder / "log.txt").read_text()


def test_a_report_that_cannot_be_written_leaves_the_run_finished(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_module, "write_text", full)
    with pytest.raises(TrainingError, match="The run is finished; run the same command to write the report"):
        train(tmp_path)
    assert RunFolder(f"{tmp_path}/run").status().state == "finished"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_while_it_is_made(tmp_path, monkeypatch, number):
    def interrupted(subject):
        os.kill(os.getpid(), number)
        time.sleep(5)
        raise AssertionError("the signal did not come")

    before = signal.getsignal(number)
    monkeypatch.setattr(report_module, "SECTIONS", {"only": Entry("Only", interrupted)})
    done = train(tmp_path)
    assert (done.report, done.signal) == (None, number)
    assert not done.training.interrupted
    folder = done.training.folder
    assert RunFolder(f"{folder}/").status().state == "finished"
    assert not [file.name for file in folder.iterdir() if "report" in file.name]
    assert "the run is finished, and the same command writes the report" in (folder / "log.txt").read_text()
    assert signal.getsignal(number) == before


CONFIGURATION = """
run: run
data: {train: "builtin:ethanol@:40", validation: 5, batch_size: 5}
model: {name: mace, cutoff: 3.0, channels: 4, feature_degree: 0, edge_degree: 1, correlation: 1}
train: {max_epochs: 1, accelerator: cpu}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_from_outside_while_the_command_makes_it(tmp_path, number, code):
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "potentials", "train", "config.yaml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "messages.txt").open("w") as messages:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=messages, stderr=messages, env=environment)
    log = tmp_path / "runs/run/log.txt"
    while process.poll() is None and not (log.is_file() and "writing the report" in log.read_text()):
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=60) == code, (tmp_path / "messages.txt").read_text()
    folder = RunFolder(f"{tmp_path}/runs/run")
    assert folder.status().state == "finished"
    assert not folder.report.exists()
    assert "Traceback" not in (tmp_path / "messages.txt").read_text()
