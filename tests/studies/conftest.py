"""A small study of families that train in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

import potentials.models  # noqa: F401  (enters the families)

BASE = """
run: base
seed: 5
data: {train: "builtin:copper@1:60", validation: 6, test: 7, stress: stress, batch_size: 4}
model: {name: schnet, cutoff: 4.0, channels: 4, layers: 1, radial: {size: 6}}
loss: {stress: {weight: 10}}
train:
  max_epochs: 3
  precision: float64
  early_stopping: {patience: 3}
"""
STUDY = """
study: FOLDER/study
base: base.yaml
sizes: [16, 8]
seeds: [1, 2]
steps: 8
variants:
  schnet: {}
  wide: {model: {channels: 6}, train: {optimizer: {learning_rate: 0.003}}}
  ace: {model: {name: ace, polynomial_degree: 4, radial: {size: 3}}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """The description of the study; its folder is beside it."""
    (tmp_path / "base.yaml").write_text(BASE)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace("FOLDER", str(tmp_path)))
    return file
