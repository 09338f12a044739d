"""What is written while training: the metrics file and Weights & Biases without a network."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest
from lightning.pytorch.loggers.logger import DummyLogger
from toy_family import toy_run

from potentials.config.logging import WandbConfig
from potentials.training import weights_and_biases
from potentials.training.loggers import MetricsFile, metrics_row
from potentials.training.metrics import Error, PropertyErrors
from potentials.training.run import train
from potentials.training.validations import Validation
from potentials.training.weights_and_biases import wandb_mode


def validation(step: int) -> Validation:
    errors = PropertyErrors(None, Error(0.001, 0.002, 5), Error(0.03, 0.05, 60), None)
    return Validation(step / 10, step, 0, 0.01, 2.5, 1.5, errors, step == 20)


def test_a_row_is_in_milli_units_and_empty_where_nothing_was_measured():
    row = metrics_row(validation(20), 3.14159)
    assert row["epoch"] == 2.0
    assert row["time_s"] == 3.142
    assert row["energy_per_atom_mae_meV"] == pytest.approx(1.0)
    assert row["forces_rmse_meV_per_A"] == pytest.approx(50.0)
    assert row["stress_rmse_meV_per_A3"] is None
    assert row["energy_mae_meV"] is None
    assert row["best"] == 1


def test_rows_beyond_the_point_of_continuation_are_dropped(tmp_path):
    file = MetricsFile(tmp_path / "metrics.csv", lambda: 1.0)
    trainer = SimpleNamespace(is_global_zero=True)
    file.on_train_start(trainer, None)
    for step in (10, 20, 24):
        file.on_validation_end(trainer, SimpleNamespace(validation=validation(step)))
    file.on_train_start(trainer, SimpleNamespace(validated_step=20))
    file.on_validation_end(trainer, SimpleNamespace(validation=validation(30)))
    with (tmp_path / "metrics.csv").open(newline="") as opened:
        assert [row["step"] for row in csv.DictReader(opened)] == ["10", "20", "30"]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_a_mode_that_is_asked_for_is_taken(mode, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode(WandbConfig(mode=mode)) == mode


def test_auto_is_online_only_where_someone_logged_in(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode(WandbConfig()) is None
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert wandb_mode(WandbConfig()) == "offline"
    (tmp_path / "netrc").write_text("machine elsewhere.example.org login user password x\n")
    assert wandb_mode(WandbConfig()) == "offline"
    (tmp_path / "netrc").write_text("machine wandb.example.org login user password x\n")
    assert wandb_mode(WandbConfig()) == "online"


class Recorder(DummyLogger):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


def test_loggers_get_losses_every_so_many_steps_and_each_validation(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(weights_and_biases, "wandb_logger", lambda *_: recorder)
    options = {"logging__every_steps": 5, "logging__wandb": "{project: copper}", "train__max_epochs": 2}
    result = train(toy_run(tmp_path, **options), progress=False)
    assert [step for step, row in recorder.rows if "training/loss" in row] == [5, 10]
    validations = [(step, row) for step, row in recorder.rows if "validation/epoch" in row]
    assert [step for step, _ in validations] == [7, 14]
    with (result.folder / "metrics.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    for (_, logged), row in zip(validations, rows, strict=True):
        for name in ("validation_loss", "forces_rmse_meV_per_A", "energy_per_atom_mae_meV"):
            assert logged[f"validation/{name}"] == pytest.approx(float(row[name]))


def test_wandb_writes_into_the_run_folder_without_a_network(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    options = {"logging__every_steps": 5, "logging__wandb": "{project: copper, tags: [toy], mode: offline}"}
    config = toy_run(tmp_path, **options, train__max_epochs=2)
    result = train(config, progress=False)
    (log,) = result.folder.glob("wandb/offline-run-*/*.wandb")
    content = log.read_bytes()
    for text in (b"copper", b"training/loss", b"validation/forces_rmse_meV_per_A", b"trainer/global_step"):
        assert text in content
    run_id = json.loads((result.folder / "status.json").read_text())["wandb_id"]
    assert run_id in log.name
