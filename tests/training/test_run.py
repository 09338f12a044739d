"""Whole runs with a toy family: what they write, how they stop, and that a continued run is the uninterrupted one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from run_comparison import quietly, rows, same_end, status
from safetensors.torch import load_file
from toy_family import SECOND_STAGE, toy_run

import potentials
from potentials.config import load_config
from potentials.data.graph import build_graph
from potentials.data.prepare import prepare
from potentials.data.read import read_frames
from potentials.errors import TrainingError
from potentials.potential.model_file import read_header
from potentials.training import run as run_module
from potentials.training.lifecycle.run_folder import RunFolder
from potentials.training.module import TrainingModule
from potentials.training.run import TrainingResult


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> TrainingResult:
    return quietly(toy_run(tmp_path_factory.mktemp("finished")))


def test_a_run_leaves_everything_in_its_folder(finished):
    folder = finished.folder
    assert finished.reason == "max_epochs"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("resolved.yaml", "splits.json", "metrics.csv", "last.ckpt", "best.potential", "errors.json", "log.txt"),
        *("status.json", "previous.ckpt"),
    }
    assert status(finished)["state"] == "finished"
    parts = [part.split for part in finished.table.splits]
    assert parts == ["train", "validation", "test"]
    assert [part.frames for part in finished.table.splits] == [28, 6, 5]
    log = (folder / "log.txt").read_text()
    for text in ("note: model.elements = Cu", "epoch 4/4", finished.table.text().splitlines()[1], "best.potential"):
        assert text in log
    assert json.loads((folder / "splits.json").read_text())["seed"] == 1


def test_metrics_rows_count_epochs_and_steps(finished):
    found = rows(finished)
    assert [float(row["epoch"]) for row in found] == [1, 2, 3, 4]
    assert [int(row["step"]) for row in found] == [7, 14, 21, 28]
    assert all(float(row["training_loss"]) > 0 for row in found)
    best = min(found, key=lambda row: float(row["validation_loss"]))
    metadata = read_header(finished.best)["metadata"]
    assert metadata["validation_loss"] == float(best["validation_loss"])
    assert metadata["epoch"] == float(best["epoch"])


def test_the_errors_are_those_of_the_model_file(finished):
    """Evaluate the written file frame by frame with numpy, through nothing that training uses."""
    potential = potentials.load(finished.best)
    config = load_config(finished.folder / "resolved.yaml")
    prepared = prepare(config)
    energies, forces = [], []
    for labeled in prepared.tests["test"]:
        predicted = potential(build_graph(labeled.frame.atoms, potential.elements, potential.cutoff))
        energies.append((predicted.energy.item() - labeled.energy) / len(labeled.frame.atoms))
        forces.append((predicted.forces.numpy() - labeled.forces).ravel())
    errors = finished.table.splits[2].errors
    assert errors.energy_per_atom.mae == pytest.approx(np.abs(energies).mean(), rel=1e-5)
    assert errors.forces.rmse == pytest.approx(np.sqrt((np.concatenate(forces) ** 2).mean()), rel=1e-5)


def test_the_best_model_holds_the_averaged_weights(finished):
    state = torch.load(finished.folder / "last.ckpt", weights_only=True)
    assert read_header(finished.best)["metadata"]["epoch"] == 4
    tensors = load_file(finished.best)
    averages = state["potentials"]["ema"]["averages"]
    names = ["coefficients", "bias"]
    for name, average in zip(names, averages, strict=True):
        assert torch.equal(tensors[name], average)
        assert not torch.equal(tensors[name], state["state_dict"][f"potential.model.{name}"])


def test_validations_measure_the_labels_that_there_are(tmp_path):
    """Also where the stresses are given as virials; and none where there are none."""
    measured = {}
    for name, labels in {
        "virial": {"data__stress": "null", "data__virial": "{key: stress, sign: tension-positive}"},
        "none": {"data__stress": "null", "loss__stress": "{weight: 0}"},
    }.items():
        (row,) = rows(quietly(toy_run(tmp_path, name, train__max_epochs=1, **labels)))
        measured[name] = row["stress_rmse_meV_per_A3"]
    assert float(measured["virial"]) > 0
    assert measured["none"] == ""


def test_the_last_epoch_is_validated_whatever_the_interval(tmp_path):
    """And no other epoch besides."""
    result = quietly(toy_run(tmp_path, train__max_epochs=5, train__validate_every=3))
    assert [float(row["epoch"]) for row in rows(result)] == [3.0, 5.0]


def test_the_resolved_configuration_reproduces_the_run(finished, tmp_path):
    config = load_config(finished.folder / "resolved.yaml", overrides=[f"run={tmp_path}/again"])
    same_end(finished, quietly(config))


def test_a_finished_run_is_shown_not_repeated(finished, monkeypatch):
    monkeypatch.setattr(run_module, "_train_and_evaluate", lambda *_: pytest.fail("trained again"))
    before = (finished.folder / "last.ckpt").read_bytes()
    again = quietly(toy_run(finished.folder.parent))
    assert again.table == finished.table
    assert "is finished" in (finished.folder / "log.txt").read_text()
    assert (finished.folder / "last.ckpt").read_bytes() == before


def test_another_configuration_does_not_continue_a_run(finished):
    with pytest.raises(TrainingError) as caught:
        quietly(toy_run(finished.folder.parent, data__batch_size=5, train__max_epochs=9, loss__forces__weight=20))
    text = str(caught.value)
    assert "data.batch_size: 4 -> 5" in text
    assert "loss.forces.weight: 10.0 -> 20.0" in text
    assert "max_epochs" not in text


def test_other_data_do_not_continue_a_run(finished, tmp_path):
    config = toy_run(finished.folder.parent, data__train="builtin:copper@2:41")
    with pytest.raises(TrainingError, match="contents of the training data"):
        quietly(config)


def test_a_folder_is_locked_while_a_run_is_in_it(tmp_path):
    config = toy_run(tmp_path)
    folder = RunFolder(config.run)
    folder.create()
    with folder.lock(), pytest.raises(TrainingError, match="another process is training"):
        quietly(config)
    assert quietly(config).reason == "max_epochs"


def test_max_time_stops_with_a_model(tmp_path):
    result = quietly(toy_run(tmp_path, train__max_epochs=100000, train__max_time="0.3s", train__validate_every=50000))
    assert result.reason == "max_time"
    assert result.table is not None
    assert 0.3 <= status(result)["elapsed"] < 5
    assert len(rows(result)) == 1
    again = quietly(toy_run(tmp_path, train__max_epochs=100000, train__max_time="0.3s", train__validate_every=50000))
    assert again.table == result.table


def test_a_run_whose_time_was_over_within_its_first_epoch_is_finished_too(tmp_path, monkeypatch):
    original = TrainingModule.training_step

    def slowly(self, batch, batch_index):
        time.sleep(0.1)
        return original(self, batch, batch_index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", slowly)
        result = quietly(toy_run(tmp_path, train__max_time="0.25s"))
    assert result.reason == "max_time"
    assert quietly(toy_run(tmp_path, train__max_time="0.25s")).table == result.table
    assert quietly(toy_run(tmp_path, train__max_time="1h")).reason == "max_epochs"


def test_the_last_epoch_ends_with_a_validation(tmp_path):
    result = quietly(toy_run(tmp_path, train__max_epochs=5, train__validate_every=2))
    assert [float(row["epoch"]) for row in rows(result)] == [2, 4, 5]


def test_early_stopping(tmp_path, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5])
    original = TrainingModule._consider_stopping
    monkeypatch.setattr(TrainingModule, "_consider_stopping", lambda self, loss: original(self, next(losses)))
    config = toy_run(tmp_path, train__max_epochs=50, train__early_stopping__patience=3)
    result = quietly(config)
    assert result.reason == "early_stopping"
    assert len(rows(result)) == 5
    assert quietly(config).table == result.table
    log = (result.folder / "log.txt").read_text()
    assert "finished: no improvement of the validation loss for 3 validations; evaluating" in log
    assert "is finished (no improvement of the validation loss for 3 validations, " in log


def test_the_second_stage_changes_weights_and_rate(tmp_path):
    result = quietly(toy_run(tmp_path, **SECOND_STAGE))
    found = rows(result)
    assert [row["stage"] for row in found] == ["1", "1", "2", "2", "2"]
    assert [float(row["learning_rate"]) == 0.001 for row in found] == [False, False, True, True, True]
    for row in found:
        energy, forces, stress = (
            float(row[f"{name}_rmse_{unit}"]) / 1000
            for name, unit in (("energy_per_atom", "meV"), ("forces", "meV_per_A"), ("stress", "meV_per_A3"))
        )
        weights = (1, 10, 100) if row["stage"] == "1" else (500, 10, 0)
        expected = weights[0] * energy**2 + weights[1] * forces**2 + weights[2] * stress**2
        assert float(row["validation_loss"]) == pytest.approx(expected, rel=1e-6)
    assert "stage 2 starts at epoch 3" in (result.folder / "log.txt").read_text()


def test_models_of_both_stages_are_compared_by_the_loss_of_the_second(tmp_path):
    """The best is the model with the least loss in the weights of the last stage among those that were ever best."""
    result = quietly(toy_run(tmp_path, **SECOND_STAGE))
    found = rows(result)

    def second_loss(row: dict[str, str]) -> float:
        energy = float(row["energy_per_atom_rmse_meV"]) / 1000
        forces = float(row["forces_rmse_meV_per_A"]) / 1000
        return 500 * energy**2 + 10 * forces**2

    first_best = [row for row in found[:2] if row["best"] == "1"][-1]
    candidates = [first_best, *found[2:]]
    expected = min(candidates, key=second_loss)
    assert read_header(result.best)["metadata"]["epoch"] == float(expected["epoch"])
    lowest = second_loss(first_best)
    for row in found[2:]:
        assert (row["best"] == "1") == (second_loss(row) < lowest)
        lowest = min(lowest, second_loss(row))


def test_early_stopping_in_the_first_stage_begins_the_second(tmp_path, monkeypatch):
    losses = iter([1.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0])
    original = TrainingModule._consider_stopping
    monkeypatch.setattr(TrainingModule, "_consider_stopping", lambda self, loss: original(self, next(losses)))
    stages = {"train__second_stage": "{start: 20, loss: {forces: {weight: 10}}}"}
    result = quietly(toy_run(tmp_path, train__max_epochs=50, train__early_stopping__patience=2, **stages))
    assert [row["stage"] for row in rows(result)] == ["1", "1", "1", "2", "2", "2"]
    assert result.reason == "early_stopping"


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_best(tmp_path, monkeypatch):
    original = TrainingModule.training_step

    def diverges(self, batch, batch_index):
        return original(self, batch, batch_index) * (float("nan") if self.current_epoch == 2 else 1.0)

    monkeypatch.setattr(TrainingModule, "training_step", diverges)
    config = toy_run(tmp_path)
    with pytest.raises(TrainingError, match=r"became nan in epoch 3.*Best model so far: epoch 2"):
        quietly(config)
    assert read_header(tmp_path / "run" / "best.potential")["metadata"]["epoch"] == 2
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["epoch"] == 1


def test_a_validation_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch):
    """Also in the first epoch: a NaN would be a best that nothing improves on."""
    original = TrainingModule.validation_step

    def overflows(self, batch, batch_index):
        original(self, batch, batch_index)
        self._validation_sums += float("inf")

    monkeypatch.setattr(TrainingModule, "validation_step", overflows)
    with pytest.raises(TrainingError, match="validation loss became"):
        quietly(toy_run(tmp_path))
    assert not (tmp_path / "run" / "best.potential").exists()


def test_validation_frames_without_the_labels_that_count(tmp_path):
    """Of these frames only the bulk has a stress; the one drawn for validation is a surface."""
    files = "[builtin:copper@1:5, builtin:copper@200:230]"
    options = {"data__train": files, "data__validation": 1, "data__test": "null"}
    config = toy_run(tmp_path, **options, loss__energy="null", loss__forces="null")
    with pytest.raises(TrainingError, match="no label with nonzero weight in the loss"):
        quietly(config)


def test_validation_frames_whose_weights_are_zero(tmp_path):
    """Their loss is zero whatever the model, so that the first would stay the best."""
    options = {"data__train": "builtin:copper@1:30", "data__validation": "builtin:copper@280:285", "data__test": "null"}
    config = toy_run(tmp_path, **options, data__weights__groups="{liquid: 0}")
    with pytest.raises(TrainingError, match="nonzero weight in the loss"):
        quietly(config)
    assert not (tmp_path / "run" / "best.potential").exists()


def test_validation_frames_without_the_labels_of_a_later_stage(tmp_path):
    """Said at the first validation, and not when the second stage begins; the frame is a surface, without stress."""
    files = {"data__train": "[builtin:copper@1:5, builtin:copper@200:230]", "data__validation": 1, "data__test": "null"}
    stage = "{start: 3, loss: {energy: null, forces: null, stress: {weight: 1}}}"
    with pytest.raises(TrainingError, match="no label with nonzero weight in the loss of stage 2"):
        quietly(toy_run(tmp_path, **files, train__second_stage=stage))
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_training_frames_whose_weights_are_zero(tmp_path):
    """Nothing would be learned, and the random model handed out as the best."""
    files = {"data__train": "builtin:copper@280:310", "data__validation": "builtin:copper@1:5", "data__test": "null"}
    with pytest.raises(TrainingError, match="no training frame has a label with nonzero weight in the loss"):
        quietly(toy_run(tmp_path, **files, data__weights__groups="{liquid: 0}"))
    assert not (tmp_path / "run" / "best.potential").exists()


def test_relative_files_of_a_configuration_made_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("copper.xyz", [frame.atoms for frame in read_frames("builtin:copper@1:30")])
    options = {"data__train": "copper.xyz", "data__test": "null", "train__max_epochs": 1}
    first = quietly(toy_run(tmp_path, **options))
    assert quietly(toy_run(tmp_path, **options)).table == first.table


def test_a_longer_cosine_is_announced(tmp_path):
    quietly(toy_run(tmp_path, train__max_epochs=1))
    longer = quietly(toy_run(tmp_path, train__max_epochs=2))
    assert longer.reason == "max_epochs"
    log = (longer.folder / "log.txt").read_text()
    assert "train.max_epochs 1 -> 2 also changes the cosine schedule" in log


@pytest.mark.parametrize("enabled", [False, True])
def test_torch_is_left_as_it_was(tmp_path, enabled):
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(enabled)
    try:
        quietly(toy_run(tmp_path, train__max_epochs=1))
        assert torch.are_deterministic_algorithms_enabled() is enabled
        assert torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(before)


def test_gpu_that_is_not_there(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(TrainingError, match=r"train\.accelerator is gpu"):
        quietly(toy_run(tmp_path, train__accelerator="gpu"))


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot create the folder"):
        quietly(toy_run(tmp_path / "file"))
