"""Random rotations in training: for which families, of which frames, and that labels go with them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toy_family import toy_potential, toy_run

from potentials.config import LossConfig, RunConfig, families
from potentials.data.graph import collate, frame_rotations, graphs_from_frames, rotated
from potentials.data.label import label_frames
from potentials.data.prepare import prepare
from potentials.data.read import read_frames
from potentials.errors import ConfigError
from potentials.potential import Potential
from potentials.training.losses import combine, loss_sums, property_weights
from potentials.training.module import TrainingModule
from potentials.training.run import TrainingResult, train

LOSS = LossConfig.model_validate({"energy": {"weight": 1.0}, "forces": {"weight": 10.0}, "stress": {"weight": 1000.0}})


def loss(potential: Potential, batch) -> float:
    sums, counts = loss_sums(potential(batch, stress=True), batch, LOSS)
    assert (sums > 0).all()
    return combine(sums, counts, property_weights(LOSS)).item()


@pytest.mark.parametrize("family", ["mace", "toy"])
def test_an_equivariant_potential_has_the_same_loss_on_turned_frames(family, tmp_path):
    """Bulk with a stress and surfaces without; only the forces' and stresses' errors would tell of a wrong turn."""
    config = toy_run(tmp_path, data__train="[builtin:copper@1:4, builtin:copper@200:202]")
    labeled = label_frames(read_frames(config.data.train), config.data)
    graphs = graphs_from_frames(labeled, ["Cu"], 4.0)
    if family == "mace":
        options = {"name": "mace", "cutoff": 4.0, "elements": ["Cu"], "channels": 4, "average_neighbors": 12.0}
        torch.manual_seed(0)
        settings = families()["mace"].model_validate({**options, "scale": 1.0, "shift": 0.0})
        potential, equal = Potential(settings, {"Cu": 0.0}, "float64"), True
    else:
        potential, equal = toy_potential(["Cu"], anisotropy=0.5), False
    batch = collate(graphs)
    before = loss(potential, batch)
    for epoch in range(3):
        after = loss(potential, rotated(batch, frame_rotations(1, epoch, range(len(graphs)))))
        assert (after == pytest.approx(before, rel=1e-10)) is equal


def seen(monkeypatch: pytest.MonkeyPatch, config: RunConfig) -> tuple[TrainingResult, dict[str, list]]:
    """Train; and what came of each frame to training and to validation, epoch by epoch: (frame, positions, forces)."""
    found: dict[str, list] = {"training_step": [], "validation_step": []}

    def recording(name: str):
        original = getattr(TrainingModule, name)

        def step(self, batch, batch_index):
            for graph in batch.to_data_list():
                found[name].append((int(graph.frame_index), graph.positions.numpy(), graph.forces.numpy()))
            return original(self, batch, batch_index)

        monkeypatch.setattr(TrainingModule, name, step)

    recording("training_step")
    recording("validation_step")
    return train(config, progress=False), found


def test_training_frames_are_turned_anew_in_each_epoch_and_validation_frames_never(tmp_path, monkeypatch):
    config = toy_run(tmp_path, model__anisotropy=0.3, train__max_epochs=2)
    assert config.train.augmentation == "rotations"
    _, found = seen(monkeypatch, config)
    prepared = prepare(config)
    for frame, positions, _ in found["validation_step"]:
        np.testing.assert_array_equal(positions, prepared.validation[frame].frame.atoms.positions)
    turns: dict[int, list] = {}
    for frame, positions, forces in found["training_step"]:
        labeled = prepared.train[frame]
        q = np.linalg.lstsq(labeled.frame.atoms.positions, positions, rcond=None)[0].T
        np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-10)
        np.testing.assert_allclose(forces, labeled.forces @ q.T, atol=1e-10)
        turns.setdefault(frame, []).append(q)
    assert len(turns) == len(prepared.train)
    for first, second in turns.values():
        assert np.abs(first - np.eye(3)).max() > 0.01
        assert np.abs(first - second).max() > 0.01


def test_none_leaves_the_frames_as_they_are(tmp_path, monkeypatch):
    config = toy_run(tmp_path, model__anisotropy=0.3, train__max_epochs=1, train__augmentation="none")
    result, found = seen(monkeypatch, config)
    prepared = prepare(config)
    for frame, positions, _ in found["training_step"]:
        np.testing.assert_array_equal(positions, prepared.train[frame].frame.atoms.positions)
    log = (result.folder / "log.txt").read_text().replace("\n", " ")
    assert "is only approximately symmetric under rotations, because of its anisotropy; the error table shows" in log
    assert "train.augmentation = none: frames are not rotated; set it to rotations" in log


def test_auto_goes_by_the_family(tmp_path):
    assert toy_run(tmp_path).train.augmentation == "none"
    assert toy_run(tmp_path, model="{name: ponita}").train.augmentation == "rotations"
    assert toy_run(tmp_path, model="{name: ponita, orientations: 0}").train.augmentation == "none"
    assert any(
        "train.augmentation = rotations" in note for note in prepare(toy_run(tmp_path, model__anisotropy=1)).notes
    )
    assert not any("augmentation" in note for note in prepare(toy_run(tmp_path)).notes)


@pytest.mark.parametrize("model", ["{name: mace}", "{name: ponita, orientations: 0}"])
def test_exact_families_refuse_rotations(tmp_path, model):
    with pytest.raises(ConfigError, match=r"train.augmentation.*exactly symmetric.*expected auto or none"):
        toy_run(tmp_path, model=model, train__augmentation="rotations")


def test_the_table_of_errors_says_what_rotations_change(tmp_path):
    """Of a family that is symmetric approximately; the figures themselves are test_symmetry's."""
    result = train(toy_run(tmp_path, model__anisotropy=0.3, train__max_epochs=1), progress=False)
    parts = json.loads((result.folder / "errors.json").read_text())["splits"]
    assert [part["rotation"]["frames"] for part in parts] == [28, 6, 5]
    assert all(part["rotation"]["forces"] > 1e-3 for part in parts)
    assert "test: rotating and mirroring the frames changes energies by" in (result.folder / "log.txt").read_text()
    exact = train(toy_run(tmp_path, "exact", train__max_epochs=1), progress=False)
    assert all(part.rotation is None for part in exact.table.splits)
    assert "mirroring" not in (exact.folder / "log.txt").read_text()
