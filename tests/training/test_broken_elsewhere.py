"""What users of other programs report as broken in training with heads and replay, each as a test.

Numbers are those of issues: mace 1443 (replay switches itself off), 1182 (a head's weight has no effect), 1329 (all
heads give one result), 1031 (the loss is 0), 1333 (a head cannot be chosen); metatrain 892 (several GPUs), which is
`mace-heads` in `test_several_devices.py`.
"""

from __future__ import annotations

import csv
import inspect
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import typer
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from run_comparison import quietly
from typer.main import get_command

import potentials.interop.starting  # noqa: F401  (reads starting potentials)
from potentials.cli import main
from potentials.config import family_config, load_config
from potentials.config.run import RunConfig
from potentials.data.builtin import builtin_path
from potentials.errors import ConfigError
from potentials.potential import Potential, PotentialCalculator, load, model_file

MODEL: dict[str, Any] = {
    "name": "nequip", "cutoff": 3.5, "channels": 4, "degree": 1, "layers": 2, "radial_mlp": [6], "elements": ["Cu"],
    "average_neighbors": 12.0, "scale": 1.5, "shift": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTENTIALS_CACHE", str(tmp_path / "cache"))


def write_levels(folder: Path) -> None:
    """Copper at two levels of theory, of which one has forces and energies of half the size."""
    frames = ase.io.read(builtin_path("copper"), "1:31")
    ase.io.write(folder / "a.extxyz", frames[::2])
    ase.io.write(folder / "b.extxyz", [halved(atoms) for atoms in frames[1::2]])


def halved(atoms: Atoms) -> Atoms:
    copied = atoms.copy()
    energy, forces = 0.5 * atoms.get_potential_energy(), 0.5 * atoms.get_forces()
    copied.calc = SinglePointCalculator(copied, energy=energy, forces=forces)
    return copied


def configuration(folder: Path, run: str = "run", **sections: Any) -> RunConfig:
    content: dict[str, Any] = {
        "run": str(folder / run),
        "data": {
            "train": [{"file": "a.extxyz", "head": "a"}, {"file": "b.extxyz", "head": "b"}],
            "validation": 0.2, "stress": None, "batch_size": 5,
        },
        "model": MODEL,
        "train": {"max_epochs": 5, "accelerator": "cpu"},
        "logging": {"report": False, "every_steps": 1},
    }  # fmt: skip
    for name, section in sections.items():
        content[name] = content.get(name, {}) | section if isinstance(section, dict) else section
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return load_config(folder / "config.yaml")


def readouts(potential: Potential) -> list[torch.Tensor]:
    return [
        torch.cat([p.detach().flatten() for p in head.parameters()]) for head in potential.network.readouts_of_heads()
    ]


def test_replay_is_on_for_the_whole_run(tmp_path: Path) -> None:
    """Replayed frames are in every epoch, their errors in every validation, and their readouts are trained."""
    write_levels(tmp_path)
    torch.manual_seed(5)
    Potential(family_config(MODEL), {"Cu": -0.5}, "float32").save(tmp_path / "start.potential")
    config = configuration(
        tmp_path,
        start_from="start.potential",
        fine_tune={"method": "replay", "replay": {"generate": 30}},
        data={"train": "a.extxyz"},
    )
    result = quietly(config)
    assert result.table is not None
    assert all(split.heads["replay"].forces is not None for split in result.table.splits)
    with (result.folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert all(float(row["replay/forces_rmse_meV_per_A"]) > 0 for row in rows)
    start, end = load(tmp_path / "start.potential"), model_file.load(result.best)
    assert all(not torch.equal(head, readouts(start)[0]) for head in readouts(end))
    assert end.heads == ("default", "replay")


def test_the_weight_of_a_head_has_an_effect(tmp_path: Path) -> None:
    """With a large weight of one head, this head is learned better than without, and the other worse."""
    write_levels(tmp_path)
    errors = {}
    for heavy in ("a", "b"):
        weights = {heavy: {"weight": 1000.0}}
        result = quietly(configuration(tmp_path, heavy, data={"heads": weights}, train={"max_epochs": 30}))
        assert result.table is not None
        found = result.table.splits[0].heads
        errors[heavy] = {head: found[head].forces.rmse for head in found}
    assert errors["a"]["a"] < errors["b"]["a"]
    assert errors["b"]["b"] < errors["a"]["b"]


def test_heads_give_different_results(tmp_path: Path) -> None:
    """Each is closer to its own level of theory than to the other one, from the file and from the API."""
    write_levels(tmp_path)
    result = quietly(configuration(tmp_path, train={"max_epochs": 40}))
    levels = {head: ase.io.read(tmp_path / f"{head}.extxyz", ":") for head in ("a", "b")}
    for head, frames in levels.items():
        calculator = PotentialCalculator(result.best, head=head)
        difference = []
        for atoms in frames:
            copied = atoms.copy()
            copied.calc = calculator
            factor = 2.0 if head == "b" else 0.5
            own, other = atoms.get_forces(), factor * atoms.get_forces()
            difference.append([np.square(copied.get_forces() - level).mean() for level in (own, other)])
        own_error, other_error = np.mean(difference, axis=0)
        assert own_error < other_error


def test_the_loss_is_never_zero(tmp_path: Path) -> None:
    """In every step some frame has labels; a head without labels in the loss is an error and not a loss of 0."""
    write_levels(tmp_path)
    result = quietly(configuration(tmp_path))
    with (result.folder / "steps.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) >= 20
    assert min(losses) > 0
    with pytest.raises(ConfigError, match=r"data.heads.b: none of its labels has a weight in loss"):
        configuration(tmp_path, data={"heads": {"b": {"forces": None}}}, loss={"energy": None})


def test_every_command_that_computes_lets_the_head_be_chosen() -> None:
    """All commands with a MODEL that compute with it, the calculator and the loader."""
    group = get_command(main.app)
    context = typer.Context(group)  # type: ignore[arg-type]
    options = {}
    for name in main.COMMANDS:
        _, command, _ = group.resolve_command(context, [name])  # type: ignore[attr-defined]
        options[name] = {parameter.name for parameter in command.params}
    computing = {name for name, found in options.items() if "model" in found and name not in ("init", "inspect")}
    assert computing >= {"md", "predict", "relax", "test", "report", "visualize"}
    assert [name for name in sorted(computing) if "head" not in options[name]] == []
    for function in (PotentialCalculator, Potential.calculator, load):
        assert "head" in inspect.signature(function).parameters
