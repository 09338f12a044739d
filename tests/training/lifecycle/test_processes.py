"""Training in processes of its own: interrupted and killed from outside, and shared by two."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from run_comparison import same
from slow_cases import slow_but
from toy_family import toy_run

from potentials.config import dump_config
from potentials.potential.model_file import load

TESTS = Path(__file__).parents[2]
SCRIPT = """
import sys
import time
from pathlib import Path

sys.path.insert(0, {tests!r})
import toy_family
toy_family.register_toy()
from potentials.config import load_config
from potentials.errors import TrainingError
from potentials.training.module import TrainingModule
from potentials.training.run import train

original = TrainingModule.training_step
def slowly(self, batch, batch_index):
    Path("steps").touch()
    time.sleep({pause})
    return original(self, batch, batch_index)
TrainingModule.training_step = slowly
try:
    result = train(load_config("config.yaml"), progress=True)
except TrainingError as error:
    sys.exit(str(error))
sys.exit(130 if result.interrupted else 0)
"""


def start(folder: Path, pause: float, **changes) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(dump_config(toy_run(folder, **changes)))
    (folder / "script.py").write_text(SCRIPT.format(tests=str(TESTS), pause=pause))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "script.py"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    process = start(tmp_path, 0.05, train__max_epochs=10000)
    wait_for(tmp_path / "run" / "last.ckpt", process)
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=60)
    assert process.returncode == 130, messages
    assert "a checkpoint is saved after this step" in messages
    assert "Run the same command to continue" in messages
    assert "Traceback" not in messages
    assert output == ""
    assert load(tmp_path / "run" / "best.potential").elements == ["Cu"]
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert status["epoch"] >= 1


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(tmp_path):
    process = start(tmp_path, 600.0)
    wait_for(tmp_path / "steps", process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT


@pytest.mark.slow
@pytest.mark.parametrize("anisotropy", slow_but([0.0, 0.3], "0.0"))
def test_two_processes_do_what_one_does(tmp_path, anisotropy):
    """Gradients, losses and errors of two processes with two frames each are those of one with four.

    Of the frames some are surfaces without a stress label, so that labels are not evenly dealt out. With anisotropy
    frames are turned at random, the same way wherever they are trained on.
    """
    options = {
        "data__train": "builtin:copper@178:210",
        "data__validation": 7,
        "data__test": 1,
        "model__anisotropy": anisotropy,
        "train__precision": "float64",
        "train__max_epochs": 2,
    }
    two = start(tmp_path / "two", 0.0, **options, data__batch_size=2, train__devices=2, train__strategy="ddp")
    _, messages = two.communicate(timeout=100)
    assert two.returncode == 0, messages
    one = start(tmp_path / "one", 0.0, **options, data__batch_size=4)
    _, messages = one.communicate(timeout=60)
    assert one.returncode == 0, messages
    rows = []
    for name in ("one", "two"):
        with (tmp_path / name / "run" / "metrics.csv").open(newline="") as file:
            rows.append(list(csv.DictReader(file)))
    assert len(rows[0]) == len(rows[1]) == 2
    for a, b in zip(*rows, strict=True):
        for name in a.keys() - {"time_s"}:
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-9), name


@pytest.mark.slow
def test_two_processes_are_interrupted_together_and_continue_to_the_same_bits(tmp_path):
    """The signal reaches one of them only, within an epoch; random numbers are those of each process."""
    options = {
        "data__train": "builtin:copper@1:36",
        "data__validation": 7,
        "data__test": 1,
        "data__batch_size": 2,
        "model__noise": 0.05,
        "train__devices": 2,
        "train__strategy": "ddp",
        "train__max_epochs": 4,
    }
    whole = start(tmp_path / "whole", 0.0, **options)
    _, messages = whole.communicate(timeout=100)
    assert whole.returncode == 0, messages
    cut = start(tmp_path / "cut", 0.15, **options)
    wait_for(tmp_path / "cut" / "run" / "last.ckpt", cut)
    time.sleep(0.5)
    cut.send_signal(signal.SIGTERM)
    _, messages = cut.communicate(timeout=100)
    assert cut.returncode == 130, messages  # as the script says it
    saved = torch.load(tmp_path / "cut" / "run" / "last.ckpt", weights_only=True)
    assert saved["GraphDataModule"]["batches_done"] > 0
    assert len(next(value for name, value in saved["callbacks"].items() if "RunCheckpoint" in name)["processes"]) == 2
    again = start(tmp_path / "cut", 0.0, **options)
    _, messages = again.communicate(timeout=100)
    assert again.returncode == 0, messages
    states = [torch.load(tmp_path / name / "run" / "last.ckpt", weights_only=True) for name in ("whole", "cut")]
    for key in ("state_dict", "optimizer_states", "potentials", "global_step"):
        same(states[0][key], states[1][key], key)
