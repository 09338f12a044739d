"""The sweep that ships: its command, made as wandb's agent makes it, trains a run that belongs to the sweep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from held_by_wandb import read_finished

from potentials.config import load_config

REPOSITORY = Path(__file__).parent.parent
SWEEP = REPOSITORY / "configs/sweeps/ethanol.yaml"
SMALL = (
    "train.max_epochs=1",
    "data.train=builtin:ethanol@:20",
    "data.validation=5",
    "data.test=5",
    "data.workers=0",
    "logging.report=false",
)


@pytest.mark.slow
def test_the_command_of_the_agent_trains_a_run_of_the_sweep(tmp_path: Path) -> None:
    # Here, for importing it takes long.
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load(SWEEP.read_text())
    values = {name: choice.get("values", [choice.get("min")])[0] for name, choice in sweep["parameters"].items()}
    command = create_sweep_command(sweep["command"])
    arguments = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    filled = [part for given in command for part in (arguments["args_no_hyphens"] if "args_no" in given else [given])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment |= {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "sweep1", "WANDB_RUN_ID": "abc123"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    done = subprocess.run([*filled, *SMALL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    run = tmp_path / "runs/sweep-abc123"
    config = load_config(run / "resolved.yaml")
    assert config.train.optimizer.learning_rate == values["train.optimizer.learning_rate"]
    assert config.loss.energy.weight == values["loss.energy.weight"]
    assert json.loads((run / "status.json").read_text())["wandb_id"] == "abc123"
    (log,) = run.glob("wandb/offline-run-*/*.wandb")
    held = read_finished(log)
    assert held.run_ids == {"abc123"}
    assert held.sweep_ids == {"sweep1"}
    assert sweep["metric"]["name"] in held.summary


def test_every_parameter_of_the_sweep_is_a_setting() -> None:
    sweep = yaml.safe_load(SWEEP.read_text())
    base = next(part for part in sweep["command"][2].split() if part.endswith(".yaml"))
    for name, choice in sweep["parameters"].items():
        for value in choice.get("values", [choice.get("min"), choice.get("max")]):
            load_config(REPOSITORY / base, [f"{name}={value}"])
