"""What is written while training: rows in files, Weights & Biases without a network, TensorBoard and MLflow."""

from __future__ import annotations

import csv
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from held_by_wandb import read_finished
from lightning.pytorch.loggers import Logger
from toy_family import toy_run

from potentials.config.logging import WandbConfig
from potentials.errors import TrainingError
from potentials.evaluation.metrics import Error, PropertyErrors
from potentials.row_files import RowFile
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.run_folder import RunFolder
from potentials.training.loggers import weights_and_biases
from potentials.training.loggers.figures import metrics_row
from potentials.training.loggers.report_record import record_report
from potentials.training.loggers.weights_and_biases import wandb_mode
from potentials.training.module import TrainingModule
from potentials.training.run import train
from potentials.training.validations import Validation


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


def row_file(tmp_path) -> RowFile:
    file = RowFile(tmp_path / "rows.csv", ["step", "a", "b"])
    for step in (10, 20, 24):
        file.append({"step": step, "a": step / 10, "b": None})
    return file


def test_rows_beyond_the_point_of_continuation_are_dropped(tmp_path):
    file = row_file(tmp_path)
    assert file.keep_until(20) == 24
    file.append({"step": 30, "a": 3.0, "b": 1})
    assert file.path.read_text() == "step,a,b\n10,1.0,\n20,2.0,\n30,3.0,1\n"


@pytest.mark.parametrize("rest", ["30", "30,3.0", "30,3.0,1", "30,3.0,1,7\n", "\n", "x,y,z\n", "\x00\xff\n"])
def test_rows_that_were_not_written_whole_are_dropped(tmp_path, rest):
    file = row_file(tmp_path)
    with file.path.open("a") as opened:
        opened.write(rest)
    assert file.keep_until(100) == 24
    assert file.path.read_text() == "step,a,b\n10,1.0,\n20,2.0,\n24,2.4,\n"


def test_a_file_that_is_not_there_has_no_rows(tmp_path):
    file = RowFile(tmp_path / "rows.csv", ["step"])
    assert file.keep_until(10) == 0
    assert not file.path.exists()


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


class Recorder(Logger):
    name = version = "recorder"

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_hyperparams(self, params):
        pass

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


def table(result, name: str) -> list[dict[str, str]]:
    with (result.folder / name).open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_loggers_get_the_rows_of_the_files(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(weights_and_biases, "wandb_logger", lambda *_: recorder)
    options = {"logging__every_steps": 5, "logging__wandb": "{project: copper}", "train__max_epochs": 2}
    result = train(toy_run(tmp_path, **options), progress=False)
    steps = [(step, row) for step, row in recorder.rows if "training/loss" in row]
    assert [step for step, _ in steps] == [5, 10]
    for (_, logged), row in zip(steps, table(result, "steps.csv"), strict=True):
        for name in ("loss", "loss_energy", "loss_forces", "loss_stress", "learning_rate", "gradient_norm"):
            assert logged[f"training/{name}"] == pytest.approx(float(row[name]))
        assert logged["epoch"] == pytest.approx(float(row["epoch"]))
    validations = [(step, row) for step, row in recorder.rows if "validation/loss" in row]
    assert [step for step, _ in validations] == [7, 14]
    for (_, logged), row in zip(validations, table(result, "metrics.csv"), strict=True):
        assert logged["validation/loss"] == pytest.approx(float(row["validation_loss"]))
        for name in ("forces_rmse_meV_per_A", "energy_per_atom_mae_meV"):
            assert logged[f"validation/{name}"] == pytest.approx(float(row[name]))


def test_parts_add_up_to_the_loss_and_its_mean_is_that_of_the_epoch(tmp_path):
    result = train(toy_run(tmp_path, logging__every_steps=1, train__max_epochs=2), progress=False)
    rows = table(result, "steps.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 15))
    for row in rows:
        parts = [float(row[f"loss_{name}"]) for name in ("energy", "forces", "stress")]
        assert sum(parts) == pytest.approx(float(row["loss"]), rel=1e-12)
        assert float(row["gradient_norm"]) > 0
        assert float(row["frames_per_s"]) > 0
    losses = [float(row["loss"]) for row in rows]
    means = [float(row["training_loss"]) for row in table(result, "metrics.csv")]
    assert means == pytest.approx([sum(losses[:7]) / 7, sum(losses[7:]) / 7], rel=1e-6)


@pytest.mark.slow
def test_a_continued_run_has_the_same_steps_and_gives_none_of_them_twice(tmp_path, monkeypatch):
    options = {"logging__every_steps": 2, "train__max_epochs": 4, "train__checkpoint_interval": "1h"}
    whole = train(toy_run(tmp_path / "whole", **options), progress=False)
    recorders = []

    def recorder(*_):
        recorders.append(Recorder())
        return recorders[-1]

    monkeypatch.setattr(weights_and_biases, "wandb_logger", recorder)
    config = toy_run(tmp_path / "cut", **options, logging__wandb="{project: copper}")
    original = TrainingModule.optimizer_step

    def killed(module, *args, **kwargs):
        original(module, *args, **kwargs)
        if module.global_step == 19:
            raise SystemExit("killed")  # beyond the last checkpoint, which is that of step 14

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "optimizer_step", killed)
        with pytest.raises(SystemExit):
            train(config, progress=False)
    assert [int(row["step"]) for row in table(SimpleNamespace(folder=tmp_path / "cut/run"), "steps.csv")][-1] == 18
    cut = train(config, progress=False)
    same = ("step", "epoch", "learning_rate", "loss", "loss_forces", "gradient_norm")
    assert [[row[name] for name in same] for row in table(cut, "steps.csv")] == [
        [row[name] for name in same] for row in table(whole, "steps.csv")
    ]
    given = [step for recorder in recorders for step, row in recorder.rows if "training/loss" in row]
    assert given == list(range(2, 29, 2))
    assert len(recorders[1].rows) == 5 + 2, "only what the first start had not given yet"


def offline(tmp_path, monkeypatch, **options):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wandb = "{project: copper, tags: [toy], mode: offline}"
    return toy_run(tmp_path, logging__every_steps=5, logging__wandb=wandb, train__max_epochs=2, **options)


def test_wandb_holds_the_whole_run_without_a_network(tmp_path, monkeypatch, capsys):
    result = train(offline(tmp_path, monkeypatch), progress=True)
    (log,) = result.folder.glob("wandb/offline-run-*/*.wandb")
    held = read_finished(log)
    status = json.loads((result.folder / "status.json").read_text())
    assert held.run_ids == {status["wandb_id"]}
    assert held.config["model"]["name"] == "toy"
    assert held.config["train"]["max_epochs"] == 2
    rows = {row["_step"]: row for row in held.history}
    for row in table(result, "steps.csv"):
        assert rows[int(row["step"])]["training/loss"] == pytest.approx(float(row["loss"]))
        assert rows[int(row["step"])]["trainer/global_step"] == int(row["step"])
    for row in table(result, "metrics.csv"):
        logged = rows[int(row["step"])]
        assert logged["validation/forces_rmse_meV_per_A"] == pytest.approx(float(row["forces_rmse_meV_per_A"]))
    errors = json.loads((result.folder / "errors.json").read_text())["splits"]
    for part in errors:
        found = held.summary[f"results/{part['split']}/forces_rmse_meV_per_A"]
        assert found == pytest.approx(1e3 * part["errors"]["forces"]["rmse"])
    assert held.artifacts["model/run-potential"] == ["best.potential", "errors.json"]
    media = {path.name.split("_")[0] for path in log.parent.glob("files/media/**/*") if path.is_file()}
    assert {"parity", "errors", "worst structures"} <= media
    assert held.exit_code == 0
    everything = f"{result.folder}/wandb/offline-run-*-{status['wandb_id']}"
    assert f"run `wandb sync {everything}` to upload the run" in capsys.readouterr().err


def test_wandb_is_told_of_a_failure(tmp_path, monkeypatch):
    def fail(*_):
        raise TrainingError("no")

    monkeypatch.setattr(TrainingModule, "training_step", fail)
    with pytest.raises(TrainingError):
        train(offline(tmp_path, monkeypatch), progress=False)
    (log,) = tmp_path.glob("run/wandb/offline-run-*/*.wandb")
    assert read_finished(log).exit_code == 1


def test_tensorboard_holds_the_rows_and_the_results(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = {"logging__every_steps": 5, "logging__tensorboard": "true", "train__max_epochs": 2}
    result = train(toy_run(tmp_path, **options), progress=False)
    held = EventAccumulator(str(result.folder / "tensorboard"))
    held.Reload()
    found = [(event.step, event.value) for event in held.Scalars("training/loss")]
    expected = [(int(row["step"]), float(row["loss"])) for row in table(result, "steps.csv")]
    assert np.allclose(found, expected)
    assert len(held.Scalars("validation/forces_rmse_meV_per_A")) == 2
    assert len(held.Scalars("results/test/forces_rmse_meV_per_A")) == 1
    assert "results/test/parity" in held.Tags()["images"]


@pytest.mark.slow
def test_mlflow_keeps_one_run_when_a_run_is_continued(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    options = {"logging__every_steps": 5, "logging__mlflow": f"{{tracking_uri: '{uri}', experiment: toys}}"}
    train(toy_run(tmp_path, **options, train__max_epochs=1), progress=False)
    result = train(toy_run(tmp_path, **options, train__max_epochs=2), progress=False)
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("toys").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["model/name"] == "toy"
    history = client.get_metric_history(run.info.run_id, "training/loss")
    expected = [(int(row["step"]), float(row["loss"])) for row in table(result, "steps.csv")]
    assert np.allclose(sorted((metric.step, metric.value) for metric in history), expected)
    assert run.data.metrics["results/test/forces_rmse_meV_per_A"] > 0
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"best.potential", "errors.json", "parity"}


@pytest.mark.slow
def test_a_run_outlives_mlflow(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    calls = []
    original = mlflow.MlflowClient.log_batch

    def fail(client, run_id, metrics=(), **options):
        if not metrics:  # the configuration, with which the run begins
            return original(client, run_id, **options)
        calls.append(1)
        raise mlflow.exceptions.MlflowException("the server has gone")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", fail)
    options = {"logging__every_steps": 5, "logging__mlflow": f"{{tracking_uri: 'sqlite:///{tmp_path}/mlflow.db'}}"}
    result = train(toy_run(tmp_path, **options, train__max_epochs=2), progress=False)
    assert result.reason == "max_epochs"
    log = (result.folder / "log.txt").read_text()
    assert log.count("warning: logging.mlflow: the server has gone; logging to MLflow stopped") == len(calls) == 1


@pytest.mark.slow
def test_a_report_joins_the_run_that_it_is_of(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    config = offline(tmp_path, monkeypatch, logging__mlflow=f"{{tracking_uri: '{uri}', experiment: toys}}")
    result = train(config, progress=False)
    folder = RunFolder(f"{result.folder}/")
    folder.report.write_text("<!doctype html><title>report</title>")
    record_report(folder, config.logging, Journal(None, show=False))
    files = sorted(folder.path.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    held = [read_finished(file) for file in files]
    assert [part.run_ids for part in held] == [{folder.status().wandb_id}] * 2
    assert held[1].artifacts == {"report/run-report": ["report.html"]}
    assert held[1].history == []
    client = mlflow.MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("toys").experiment_id])
    assert "report.html" in {file.path for file in client.list_artifacts(run.info.run_id)}
    assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_a_start_that_only_evaluates_gives_no_step_twice(tmp_path, monkeypatch):
    config = offline(tmp_path, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("potentials.training.run._evaluate_best", raise_killed)
        with pytest.raises(SystemExit):
            train(config, progress=False)
    train(config, progress=False)
    files = sorted((tmp_path / "run").glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    steps = [row["_step"] for file in files for row in read_finished(file).history]
    assert steps == [5, 7, 10, 14, 15]


def raise_killed(*_):
    raise SystemExit("killed")


@pytest.mark.parametrize(
    ("option", "missing"), [({"logging__tensorboard": "true"}, "tensorboard"), ({"logging__mlflow": "{}"}, "mlflow")]
)
def test_a_logger_that_is_not_installed_is_named(tmp_path, monkeypatch, option, missing):
    for name in [name for name in sys.modules if name.split(".")[0] == missing or name == "torch.utils.tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        TrainingError, match=rf"logging.{missing}: {missing} is not installed.*pip install .*\.\[loggers\]"
    ):
        train(toy_run(tmp_path, **option), progress=False)
