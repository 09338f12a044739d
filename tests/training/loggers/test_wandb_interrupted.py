"""A run that logs to Weights & Biases without a network and is interrupted stays one wandb run, with all its steps."""

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
from held_by_wandb import read_finished, read_wandb_file

CONFIGURATION = """
run: tracked
seed: 3
data: {train: "builtin:ethanol@:60", validation: 10, test: 10, batch_size: 4}
model: {name: schnet, cutoff: 4.0, channels: 16, layers: 1}
train: {max_epochs: 60, checkpoint_interval: 1s}
logging: {every_steps: 3, report: quick, wandb: {project: ethanol, mode: offline}}
"""


def steps_of(folder: Path) -> list[int]:
    if not (folder / "steps.csv").is_file():
        return []
    with (folder / "steps.csv").open(newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row["gpu_memory_MB"] is not None]


def begin(folder: Path) -> subprocess.Popen[bytes]:
    # Without WANDB_SERVICE, by which wandb in this process would serve them all.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "potentials", "train", "config.yaml"]
    with (folder / "messages.txt").open("ab") as messages:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=messages, stderr=messages, start_new_session=True
        )


@pytest.mark.slow
def test_three_interruptions_leave_one_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIGURATION)
    run = tmp_path / "runs/tracked"
    reached = 0
    for number, kind in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGINT), start=1):
        process = begin(tmp_path)
        while reached < 60 * number:
            assert process.poll() is None, (tmp_path / "messages.txt").read_text()[-3000:]
            time.sleep(0.05)
            reached = max(steps_of(run), default=0)
        os.killpg(process.pid, kind)
        process.wait(timeout=60)
    process = begin(tmp_path)
    assert process.wait(timeout=200) == 0, (tmp_path / "messages.txt").read_text()[-3000:]

    files = sorted(run.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 5, "one for each start, and one for the report"
    held = [*(read_wandb_file(file) for file in files[:3]), *(read_finished(file) for file in files[3:])]
    status = json.loads((run / "status.json").read_text())
    assert set().union(*(part.run_ids for part in held)) == {status["wandb_id"]}
    rows = [row for part in held for row in part.history]
    steps = [row["_step"] for row in rows]
    assert steps == sorted(set(steps)), "each step once, in order"
    logged = {row["_step"]: row["training/loss"] for row in rows if "training/loss" in row}
    assert sorted(logged) == steps_of(run)
    with (run / "steps.csv").open(newline="") as file:
        assert logged == pytest.approx({int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)})
    with (run / "metrics.csv").open(newline="") as file:
        validated = {int(row["step"]): float(row["validation_loss"]) for row in csv.DictReader(file)}
    found = {row["_step"]: row["validation/loss"] for row in rows if "validation/loss" in row}
    assert found == pytest.approx(validated)
    assert held[4].artifacts == {"report/tracked-report": ["report.html"]}
    assert held[3].artifacts["model/tracked-potential"] == ["best.potential", "errors.json"]
    assert held[3].summary["results/test/forces_rmse_meV_per_A"] > 0
    assert any("memory" in name for part in held for name in part.system)
    # wandb had not yet written anything of the first start when that was killed.
    assert all(part.config["run"] == "tracked" for part in held[1:4])
