"""Folders of runs as training writes them, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

STEPS = (
    "step,epoch,time_s,learning_rate,loss,loss_energy,loss_forces,loss_stress,gradient_norm,frames_per_s,"
    "cpu_percent,memory_MB,gpu_memory_MB\n"
)
METRICS = (
    "epoch,step,time_s,stage,learning_rate,training_loss,validation_loss,energy_mae_meV,energy_rmse_meV,"
    "energy_per_atom_mae_meV,energy_per_atom_rmse_meV,forces_mae_meV_per_A,forces_rmse_meV_per_A,"
    "stress_mae_meV_per_A3,stress_rmse_meV_per_A3,best\n"
)


def steps_row(step: int, loss: float = 0.5, epochs_per_step: float = 0.01, seconds_per_step: float = 0.1) -> str:
    """A row of steps.csv, without stress and GPU."""
    epoch, seconds = epochs_per_step * step, seconds_per_step * step
    return f"{step},{epoch:.6f},{seconds:.3f},0.01,{loss},{0.2 * loss},{0.8 * loss},,1.5,60.0,150.0,900.0,\n"


def metrics_row(step: int, forces: float, best: bool, loss: float = 0.1) -> str:
    """A row of metrics.csv, without stress."""
    epoch, seconds = 0.01 * step, 0.1 * step
    errors = f"9.0,11.0,{forces / 10},{forces / 8},{0.7 * forces},{forces},,"
    return f"{epoch},{step},{seconds},1,0.01,0.2,{loss},{errors},{int(best)}\n"


def write_run(
    path: Path, state: str = "finished", rows: int = 20, config: str | None = None, log: str = "", **status: Any
) -> Path:
    """A run with figures; the last validation but one is its best."""
    path.mkdir(parents=True, exist_ok=True)
    config = config or "run: water\nmodel:\n  name: mace\n  cutoff: 5.0\ntrain:\n  max_epochs: 10\n  max_time: null\n"
    (path / "resolved.yaml").write_text(config)
    told = {"state": state, "reason": "max_epochs", "epoch": 0.1 * rows, "elapsed": 1.0 * rows, **status}
    (path / "status.json").write_text(json.dumps(told))
    steps = [steps_row(10 * (index + 1), 1 / (index + 1)) for index in range(rows)]
    (path / "steps.csv").write_text(STEPS + "".join(steps))
    metrics = [metrics_row(10 * (index + 1), 100 - index, index == rows - 2) for index in range(rows)]
    (path / "metrics.csv").write_text(METRICS + "".join(metrics))
    (path / "log.txt").write_text(log)
    return path
