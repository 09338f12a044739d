"""What several tests of whole runs do: train quietly, read what is there, compare two runs to the bit."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from potentials.config.run import RunConfig
from potentials.potential.model_file import read_header
from potentials.training.lifecycle.stopping import StopRequests
from potentials.training.run import TrainingResult, train


def quietly(config: RunConfig) -> TrainingResult:
    return train(config, progress=False)


def rows(result: TrainingResult) -> list[dict[str, str]]:
    with (result.folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def steps(folder: Path) -> list[list[str]]:
    """The rows of `steps.csv`, without what was measured of the machine; none where there is no such file."""
    if not (folder / "steps.csv").is_file():
        return []
    with (folder / "steps.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    columns = [head.index(name) for name in ("step", "epoch", "learning_rate", "loss", "loss_forces", "gradient_norm")]
    return [[row[column] for column in columns] for row in rows]


def status(result: TrainingResult) -> dict:
    return json.loads((result.folder / "status.json").read_text())


def same(a, b, where: str = "") -> None:
    """Equal to the bit, tensors and all."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}[{index}]")
    else:
        assert a == b, where


def same_end(one: TrainingResult, other: TrainingResult) -> None:
    """Same best model, same last state, same course."""
    same(load_file(one.best), load_file(other.best), "best")
    for key in ("epoch", "step", "validation_loss", "validation_errors"):
        same(read_header(one.best)["metadata"][key], read_header(other.best)["metadata"][key], key)
    last = [torch.load(result.folder / "last.ckpt", weights_only=True) for result in (one, other)]
    for key in ("state_dict", "optimizer_states", "potentials", "epoch", "global_step"):
        same(last[0][key], last[1][key], key)
    for a, b in zip(rows(one), rows(other), strict=True):
        assert {**a, "time_s": ""} == {**b, "time_s": ""}
    assert steps(one.folder) == steps(other.folder)
    assert one.table == other.table
    assert one.table is not None


def interrupt_at_the_end_of(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    original = StopRequests.on_train_epoch_end

    def interrupt(self, trainer, module):
        self.signal = signal.SIGINT if trainer.current_epoch + 1 == epoch else None
        original(self, trainer, module)

    monkeypatch.setattr(StopRequests, "on_train_epoch_end", interrupt)
