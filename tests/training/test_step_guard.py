"""Steps with a loss or gradient that is not finite, and losses that jump: told of with their frames."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
import torch
from run_comparison import quietly, rows, same
from toy_family import toy_run

from potentials.data.read import read_frames
from potentials.errors import TrainingError
from potentials.potential.model_file import read_header
from potentials.training import step_guard
from potentials.training.module import TrainingModule


def with_enormous_forces(folder, frames, forces=1e14):
    """Copper frames, some of which have a label and a weight whose product with its square no number can hold."""
    structures = [frame.atoms for frame in read_frames("builtin:copper@1:40")]
    for index in frames:
        structures[index].calc.results["forces"][0, 0] = forces
        structures[index].info["config_type"] = "enormous"
    file = folder / "copper.xyz"
    ase.io.write(file, structures)
    return str(file)


OPTIONS = {"data__validation": "builtin:copper@50:56", "data__test": "null", "model__scale": 1.0}
WEIGHTED = {**OPTIONS, "data__weights__groups": "{enormous: 1e290}"}


def test_stop_names_frames_writes_them_and_keeps_the_weights(tmp_path):
    data = with_enormous_forces(tmp_path, [7, 23])
    with pytest.raises(TrainingError) as caught:
        quietly(toy_run(tmp_path, data__train=data, **WEIGHTED))
    text = str(caught.value)
    assert "the loss became inf in epoch 1" in text
    assert "training stopped before the weights were changed" in text
    (written,) = (tmp_path / "run").glob("nonfinite-step-*.extxyz")
    assert str(written) in text
    (atoms,) = ase.io.read(written, index=":")
    assert atoms.info["source_file"] == data
    assert atoms.info["source_frame"] in (7, 23)
    assert f"copper.xyz: {atoms.info['source_frame']}" in text
    original = ase.io.read(data, index=int(atoms.info["source_frame"]))
    np.testing.assert_allclose(atoms.positions, original.positions, atol=1e-8)
    assert atoms.calc.results["forces"][0, 0] == 1e14
    assert atoms.calc.results["energy"] == pytest.approx(original.get_potential_energy(), abs=1e-6)


def test_skip_goes_on_without_these_steps(tmp_path):
    data = with_enormous_forces(tmp_path, [7])
    result = quietly(toy_run(tmp_path, data__train=data, **WEIGHTED, train__nonfinite_steps="skip"))
    assert result.reason == "max_epochs"
    log = (result.folder / "log.txt").read_text()
    assert log.count("the step was skipped (train.nonfinite_steps: skip)") == 4
    assert log.count("copper.xyz: 7") >= 4
    assert all(np.isfinite(float(row["training_loss"])) for row in rows(result))
    state = torch.load(result.folder / "last.ckpt", weights_only=True)
    assert state["potentials"]["ema"]["num_updates"] == state["global_step"] - 4


def test_a_skipped_step_leaves_weights_and_moments_as_they_are(tmp_path, monkeypatch):
    data = with_enormous_forces(tmp_path, [7])
    seen = []
    original = TrainingModule.optimizer_step

    def watches(self, *args, **kwargs):
        before = [parameter.detach().clone() for parameter in self.potential.parameters()]
        average = [tensor.clone() for tensor in self.ema.averages]
        original(self, *args, **kwargs)
        after = [parameter.detach().clone() for parameter in self.potential.parameters()]
        seen.append(self._takes_step)
        if not self._takes_step:
            same(before, after)
            same(average, [tensor.clone() for tensor in self.ema.averages])
        else:
            assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))

    monkeypatch.setattr(TrainingModule, "optimizer_step", watches)
    quietly(toy_run(tmp_path, data__train=data, **WEIGHTED, train__nonfinite_steps="skip", train__max_epochs=1))
    assert seen.count(False) == 1


def test_too_many_skipped_steps_stop_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(step_guard, "MOST_SKIPPED", 2)
    data = with_enormous_forces(tmp_path, range(39))
    with pytest.raises(TrainingError, match=r"\(3 consecutive "):
        quietly(toy_run(tmp_path, data__train=data, **WEIGHTED, train__nonfinite_steps="skip"))


def test_a_gradient_that_overflows_while_the_loss_does_not(tmp_path, monkeypatch):
    original = TrainingModule.backward

    def overflows(self, loss, *args, **kwargs):
        original(self, loss, *args, **kwargs)
        if self.global_step == 9:
            next(iter(self.potential.parameters())).grad.fill_(float("inf"))

    monkeypatch.setattr(TrainingModule, "backward", overflows)
    with pytest.raises(
        TrainingError, match="the gradient norm became inf in epoch 2, step 10, although no single frame"
    ):
        quietly(toy_run(tmp_path))
    assert read_header(tmp_path / "run" / "best.potential")["metadata"]["epoch"] == 1


def test_the_rule_may_be_changed_when_a_run_is_continued(tmp_path):
    data = with_enormous_forces(tmp_path, [7])
    with pytest.raises(TrainingError):
        quietly(toy_run(tmp_path, data__train=data, **WEIGHTED, train__checkpoint_interval="0.000001s"))
    result = quietly(toy_run(tmp_path, data__train=data, **WEIGHTED, train__nonfinite_steps="skip"))
    assert result.reason == "max_epochs"


@pytest.mark.slow
def test_a_spike_is_told_of_once_an_epoch_with_its_frames(tmp_path):
    data = with_enormous_forces(tmp_path, [3, 30], forces=1e4)
    result = quietly(toy_run(tmp_path, data__train=data, **OPTIONS, train__max_epochs=20))
    spikes = [line for line in (result.folder / "log.txt").read_text().splitlines() if "times the typical" in line]
    assert 5 <= len(spikes) <= 20
    for line in spikes:
        assert "copper.xyz, frame 3 (" in line or "copper.xyz, frame 30 (" in line


@pytest.mark.slow
def test_losses_that_are_merely_uneven_are_no_spikes(tmp_path):
    result = quietly(toy_run(tmp_path, train__max_epochs=20))
    assert "times the typical" not in (result.folder / "log.txt").read_text()


def test_batches_without_labels_that_count_do_not_make_others_spikes():
    """Their loss is zero, whose logarithm has no place in the usual one."""
    guard = step_guard.StepGuard([], "stop", None, lambda text: None)
    losses = [0.0 if step % 5 == 4 else 1.0 + 0.1 * (step % 3) for step in range(400)]
    spikes = [guard.is_spike(loss, epoch) for epoch, loss in enumerate(losses)]
    assert not any(spikes)
    assert guard.is_spike(30.0, 400)


def test_frames_of_weight_zero_cause_no_warning_of_spikes(tmp_path):
    files = "[builtin:copper@1:21, builtin:copper@200:220]"
    options = {"data__train": files, "data__batch_size": 1, "data__validation": "builtin:copper@30:35"}
    config = toy_run(tmp_path, **options, data__test="null", data__weights__groups="{surface: 0}")
    log = (quietly(config).folder / "log.txt").read_text()
    assert "times the typical" not in log
