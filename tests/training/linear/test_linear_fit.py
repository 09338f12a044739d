"""Fits in closed form: the equations are the training loss, a teacher is found again, and whole runs."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

import potentials
from potentials.config import RunConfig, parse_config
from potentials.data.graph import collate
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import ConfigError, TrainingError
from potentials.potential import Potential, PotentialCalculator
from potentials.potential.model_file import read_header
from potentials.training import run as run_module
from potentials.training.linear import linear_fit
from potentials.training.linear.linear_equations import loss_equations
from potentials.training.losses import combine, loss_sums, property_weights
from potentials.training.run import train

MODEL = "{name: ace, cutoff: 4.0, correlation: 3, polynomial_degree: 6, angular_degree: 2, radial: {size: 4}}"


def ace_run(folder: Path, data: str = "train: builtin:ethanol@1:60", **changes: Any) -> RunConfig:
    text = f"""
run: {folder}/run
data: {{{data}, validation: 12, test: 5}}
model: {MODEL}
loss:
  energy: {{weight: 1}}
  forces: {{weight: 10}}
train: {{precision: float64}}
"""
    return parse_config(text, overrides=[f"{key.replace('__', '.')}={value}" for key, value in changes.items()])


def zero_potential(prepared: PreparedData) -> Potential:
    config = prepared.config
    potential = Potential(config.model, prepared.reference_energies, "float64").eval().requires_grad_(False)
    potential.model.coefficients.zero_()
    return potential


@pytest.mark.parametrize("per_atom", [True, False])
@pytest.mark.parametrize("zbl", [True, False])
def test_equations_are_the_training_loss(tmp_path: Path, per_atom: bool, zbl: bool) -> None:
    """Frames of several sizes and weights, some without labels, some periodic with stress."""
    frames = [frame for frame in _labeled_copper(12) if frame.positions.shape]
    frames[1].info["config_weight"] = 3.0
    frames[2].calc.results.pop("stress")
    frames[3].calc.results.pop("forces")
    ase.io.write(tmp_path / "train.xyz", frames)
    config = ace_run(
        tmp_path,
        f"train: {tmp_path}/train.xyz, stress: stress",
        data__validation=2,
        data__weights="{key: config_weight}",
        data__test="null",
        data__reference_energies="{Cu: -1.5, H: -0.5}",
        loss__stress="{weight: 300}",
        loss__energy__per_atom=str(per_atom).lower(),
        model__zbl=str(zbl).lower(),
        model__scale="{Cu: 2.0, H: 3.0}",
        model__shift="{Cu: 0.3, H: -0.2}",
    )
    prepared = prepare(config)
    potential = zero_potential(prepared)
    graphs = GraphDataModule(prepared, potential.elements, potential.cutoff).train_graphs
    assert len({int(graph.num_nodes) for graph in graphs}) > 1
    assert any(bool(torch.isnan(graph.stress).any()) for graph in graphs)
    equations = loss_equations(potential, graphs, prepared.config.loss, lambda: None)
    coefficients = potential.model.coefficients
    generator = torch.Generator().manual_seed(1)
    for _ in range(2):
        coefficients.copy_(torch.randn(coefficients.shape, generator=generator, dtype=torch.float64))
        batch = collate(graphs)
        prediction = potential(batch, forces=True, stress=True)
        sums = loss_sums(prediction, batch, prepared.config.loss)
        expected = float(combine(*sums, property_weights(prepared.config.loss)))
        assert float(equations.loss(coefficients.numpy().ravel())) == pytest.approx(expected, rel=1e-9)


def _labeled_copper(count: int) -> list[Atoms]:
    """Copper with some hydrogen, of two sizes, labels drawn at random."""
    rng = np.random.default_rng(0)
    frames = []
    for number in range(count):
        atoms = bulk("Cu", cubic=True) if number % 2 else bulk("Cu", cubic=True).repeat((2, 1, 1))
        atoms.numbers[0] = 1
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.03 * rng.normal(size=(3, 3))), scale_atoms=True)
        atoms.rattle(0.1, seed=number)
        labels = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3)), "stress": rng.normal(size=6)}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


def test_a_teacher_is_found_again(tmp_path: Path) -> None:
    """Labels made by a potential of the same form are fitted to rounding, energies, forces and stress of other frames
    included."""
    frames = _labeled_copper(30)
    config = ace_run(tmp_path, "train: builtin:copper", model__elements="[H, Cu]").model
    resolved = config.model_copy(update={"average_neighbors": 12.0})
    torch.manual_seed(0)
    teacher = Potential(resolved, {"Cu": -1.5, "H": -0.5}, "float64").eval()
    with torch.no_grad():
        teacher.model.coefficients *= 100
    for atoms in frames:
        atoms.calc = PotentialCalculator(teacher)
        labels = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces", "stress")}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(tmp_path / "train.xyz", frames)
    result = train(
        ace_run(
            tmp_path,
            f"train: {tmp_path}/train.xyz, stress: stress",
            data__validation=6,
            data__test=4,
            data__reference_energies="{Cu: -1.5, H: -0.5}",
            loss__stress="{weight: 100}",
        ),
        progress=False,
    )
    test = result.table.splits[-1]
    assert test.split == "test"
    spread = np.std([atoms.get_forces() for atoms in frames if len(atoms) == 4])
    assert spread > 1e-2
    # The labels have eight decimals.
    assert test.errors.forces.rmse < 1e-6
    assert test.errors.energy.rmse < 1e-6
    assert test.errors.stress.rmse < 1e-6


def test_a_whole_run(tmp_path: Path) -> None:
    result = train(ace_run(tmp_path, train__max_epochs=7), progress=False)
    assert not result.interrupted
    assert result.reason == "fitted"
    validation = {part.split: part for part in result.table.splits}["validation"].errors
    header = read_header(result.best)
    assert header["metadata"]["validation_errors"]["forces"]["rmse"] == pytest.approx(validation.forces.rmse, rel=1e-9)
    assert 0 < header["metadata"]["regularization"] <= 1
    potential = potentials.load(result.best)
    assert potential.config.name == "ace"
    rows = (result.folder / "metrics.csv").read_text().splitlines()
    assert len(rows) == 2
    log = (result.folder / "log.txt").read_text()
    assert "ace is fitted in closed form; ignored settings: train.max_epochs" in log
    assert "fitting ace with" in log
    assert json.loads((result.folder / "status.json").read_text())["state"] == "finished"
    before = result.best.stat().st_mtime_ns
    again = train(ace_run(tmp_path, train__max_epochs=7), progress=False)
    assert again.table == result.table
    assert result.best.stat().st_mtime_ns == before
    assert "is finished" in (result.folder / "log.txt").read_text()


@pytest.mark.slow
def test_equal_runs_have_equal_bits(tmp_path: Path) -> None:
    one, other = (train(ace_run(tmp_path / name), progress=False) for name in ("one", "other"))
    first, second = (potentials.load(result.best).model.coefficients for result in (one, other))
    assert torch.equal(first, second)


@pytest.mark.slow
def test_the_ridge_that_validates_best_is_taken(tmp_path: Path) -> None:
    losses = {}
    for ridge in ("auto", 1e-12, 1e-2):
        result = train(ace_run(tmp_path / str(ridge), model__regularization=ridge), progress=False)
        losses[ridge] = read_header(result.best)["metadata"]["validation_loss"]
    assert losses["auto"] <= losses[1e-12]
    assert losses["auto"] < 0.9 * losses[1e-2]


def test_an_interrupted_fit_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "fit", interrupted)
        result = train(ace_run(tmp_path), progress=False)
    assert result.interrupted
    assert not result.best.exists()
    assert json.loads((result.folder / "status.json").read_text())["state"] == "interrupted"
    assert train(ace_run(tmp_path), progress=False).reason == "fitted"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss__forces__function": "mae"}, r"loss.forces.function:? .*fitted by least squares; expected mse, got mae"),
        ({"train__second_stage": "{loss: {energy: {weight: 3}}}"}, "train.second_stage.* in one step: remove it"),
        ({"train__devices": 2}, "train.devices.* one process on the CPU"),
        ({"train__accelerator": "gpu"}, "train.accelerator.* runs on the CPU; use auto or cpu"),
    ],
    ids=str,
)
def test_what_a_fit_cannot_do(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ace_run(tmp_path, **changes)


def test_validation_frames_without_weight(tmp_path: Path) -> None:
    frames = _labeled_copper(8)
    for weight, name in ((1.0, "train"), (0.0, "validation")):
        for atoms in frames:
            atoms.info["config_weight"] = weight
        ase.io.write(tmp_path / f"{name}.xyz", frames)
    config = ace_run(
        tmp_path,
        f"train: {tmp_path}/train.xyz, stress: stress",
        data__validation=tmp_path / "validation.xyz",
        data__weights="{key: config_weight}",
        data__test="null",
    )
    with pytest.raises(TrainingError, match="no frame has a label with nonzero weight in the loss"):
        train(config, progress=False)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_fit, "_SECONDS_BETWEEN_LINES", -1.0)
    said: list[str] = []
    progress = linear_fit._Progress(said.append, "training", 3)
    for _ in range(3):
        progress()
    assert [line.split("  ")[0] for line in said] == [
        f"building the equations: {n} of 3 training frames" for n in (1, 2, 3)
    ]
