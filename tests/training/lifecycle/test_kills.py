"""Training that is killed from outside again and again, as a cluster or a user does it, ends with the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from run_comparison import same, steps

CONFIGURATION = """
run: kills
seed: 3
data: {{train: "builtin:ethanol@:140", validation: 20, test: 10, batch_size: 4, workers: 2}}
model: {{name: mace, cutoff: 4.0, channels: 16, feature_degree: 1, edge_degree: 2, correlation: 2}}
loss: {{energy: {{weight: 10}}, forces: {{weight: 100}}}}
train:
  precision: {precision}
  max_epochs: {epochs}
  optimizer: {{name: adam, learning_rate: 0.02}}
  schedule: {{name: plateau, patience: 2, factor: 0.7}}
  ema: {{decay: 0.98}}
  second_stage: {{start: 0.6, loss: {{energy: {{weight: 1000}}, forces: {{weight: 100}}}}}}
  early_stopping: {{patience: 1000}}
  checkpoint_interval: 1s
logging: {{report: false}}
"""
KINDS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
EXPECTED = {signal.SIGTERM: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}
"""Exit codes; a process that a signal finds before it can answer ends as signals end processes."""


def begin(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "potentials", "train", "config.yaml"]
    with (folder / "messages.txt").open("a") as messages:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=messages, stderr=messages, text=True, start_new_session=True
        )


def prepared(folder: Path, precision: str, epochs: int) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIGURATION.format(precision=precision, epochs=epochs))
    return folder


def uninterrupted(folder: Path, precision: str, epochs: int) -> tuple[Path, float, float]:
    """The folder of a whole run; seconds until training began, and until its end."""
    process = begin(prepared(folder, precision, epochs))
    start = time.monotonic()
    while not (folder / "kills" / "last.ckpt").exists() and not (folder / "runs/kills/last.ckpt").exists():
        assert process.poll() is None, (folder / "messages.txt").read_text()
        time.sleep(0.02)
    began = time.monotonic() - start
    assert process.wait() == 0, (folder / "messages.txt").read_text()
    return folder / "runs/kills", began, time.monotonic() - start


def killed(folder: Path, precision: str, epochs: int, kills: int, longest: float, seed: int) -> tuple[Path, int]:
    """The folder of a run that is killed so many times, after up to `longest` seconds each, and how often it was."""
    random_times = random.Random(seed)
    prepared(folder, precision, epochs)
    done = 0
    while done < kills:
        process = begin(folder)
        kind = random_times.choice(KINDS)
        try:
            process.wait(timeout=random_times.uniform(0.0, longest))
            break
        except subprocess.TimeoutExpired:
            # To all of its processes, as Ctrl-C and batch systems send it.
            os.killpg(process.pid, kind)
        try:
            code = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{kind.name} did not end the run") from None
        done += 1
        assert code in (-kind, EXPECTED.get(kind), 0), (kind, code, (folder / "messages.txt").read_text()[-3000:])
        if code == 0:
            break
    process = begin(folder)
    assert process.wait() == 0, (folder / "messages.txt").read_text()[-3000:]
    return folder / "runs/kills", done


def same_outcome(one: Path, other: Path) -> None:
    assert (one / "best.potential").read_bytes() == (other / "best.potential").read_bytes()
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (one, other)]
    for key in ("state_dict", "optimizer_states", "potentials", "epoch", "global_step"):
        same(states[0][key], states[1][key], key)
    tables = [(run / "errors.json").read_bytes() for run in (one, other)]
    assert tables[0] == tables[1]
    courses = [[line.split(",") for line in (run / "metrics.csv").read_text().splitlines()] for run in (one, other)]
    time_column = courses[0][0].index("time_s")
    for course in courses:
        for row in course:
            del row[time_column]
    assert courses[0] == courses[1]
    assert steps(one)
    assert steps(one) == steps(other)


def no_tracebacks(folder: Path) -> None:
    assert "Traceback" not in (folder / "messages.txt").read_text()


@pytest.mark.slow
def test_a_few_kills(tmp_path):
    whole, began, ended = uninterrupted(tmp_path / "whole", "float64", 12)
    other, done = killed(tmp_path / "killed", "float64", 12, 4, began + 0.5 * (ended - began), seed=5)
    assert done >= 1
    same_outcome(whole, other)


@pytest.mark.long
@pytest.mark.parametrize("precision", ["float32", "float64", "mixed"])
def test_fifty_kills(tmp_path, precision):
    epochs = 150
    whole, began, ended = uninterrupted(tmp_path / "whole", precision, epochs)
    longest = began + (ended - began) / 40
    other, done = killed(tmp_path / "killed", precision, epochs, 50, longest, seed=7)
    print(f"{precision}: {done} kills, {ended:.0f} s without, training began after {began:.1f} s")
    assert done == 50, f"the run was over after {done} kills"
    same_outcome(whole, other)
    no_tracebacks(tmp_path / "killed")
