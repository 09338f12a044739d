"""Runs with several heads: what each learns, what its weight does, and that runs continue as with one head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from run_comparison import interrupt_at_the_end_of, quietly, rows, same_end
from safetensors.torch import load_file

from potentials.config import load_config
from potentials.config.run import RunConfig
from potentials.data.conversion.convert import convert
from potentials.data.findings import Findings
from potentials.data.graph import collate
from potentials.data.prepare import prepare
from potentials.data.read import read_frames
from potentials.data.split import SplitOfHeads, read_splits
from potentials.errors import ConfigError, DataError
from potentials.evaluation.evaluate import evaluate, label_config, read_labeled
from potentials.potential import MultiHeadPotential, model_file
from potentials.training.fine_tuning.starting import initial_potential
from potentials.training.losses import loss_sums

MODEL: dict[str, Any] = {
    "name": "nequip", "cutoff": 3.5, "channels": 8, "degree": 1, "layers": 2, "radial_mlp": [8], "radial": {"size": 6},
}  # fmt: skip


def write_levels(folder: Path, frames: int = 40) -> None:
    """Ethanol at two levels of theory: GFN2-xTB, and a shifted, scaled, noisy copy with keys and units of its own."""
    given = [frame.atoms for frame in read_frames("builtin:ethanol")]
    molecules = [atoms for atoms in given if len(atoms) > 1]
    chosen = molecules[:: len(molecules) // frames][:frames]
    ase.io.write(folder / "gfn2.xyz", [*chosen[::2], *(atoms for atoms in given if len(atoms) == 1)])
    noise = np.random.default_rng(0)
    ase.io.write(folder / "scaled.xyz", [scaled(atoms, noise) for atoms in chosen[1::2]])


def scaled(atoms: Atoms, noise: np.random.Generator) -> Atoms:
    copied = atoms.copy()
    copied.info["E"] = (0.8 * atoms.get_potential_energy() + 30 + noise.normal(0, 0.002)) * 1e3
    copied.arrays["F"] = 0.8 * atoms.get_forces() + noise.normal(0, 0.005, (len(atoms), 3))
    copied.info["config_type"] = "copies"
    return copied


def configuration(folder: Path, **sections: Any) -> RunConfig:
    (folder / "config.yaml").write_text(configuration_text(folder, **sections))
    return load_config(folder / "config.yaml")


def configuration_text(folder: Path, **sections: Any) -> str:
    content: dict[str, Any] = {
        "run": str(folder / "run"),
        "data": {
            "train": [{"file": "gfn2.xyz", "head": "gfn2"}, {"file": "scaled.xyz", "head": "scaled"}],
            "validation": 4,
            "test": [{"file": "scaled.xyz@:3", "head": "scaled"}],
            "heads": {"scaled": {"energy": {"key": "E", "unit": "meV"}, "forces": "F"}},
        },
        "model": MODEL,
        "train": {"max_epochs": 3, "accelerator": "cpu"},
        "logging": {"report": False},
    }
    for name, section in sections.items():
        content[name] = content.get(name, {}) | section
    return yaml.safe_dump(content)


def test_data_of_several_heads(tmp_path: Path) -> None:
    """Each head has its own split, reference energies, scale and shift; all frames are in one set."""
    write_levels(tmp_path)
    config = configuration(tmp_path)
    splits = read_splits(config, Findings())
    assert isinstance(splits.train, SplitOfHeads)
    assert [len(split) for split in (splits.train, splits.validation, splits.tests["test"])] == [32, 8, 3]
    assert {frame.group for frame in splits.train} == {"gfn2: 300K", "gfn2: 500K", "scaled: copies"}
    prepared = prepare(config)
    assert prepared.groups == ["gfn2: 300K", "gfn2: 500K", "scaled: copies"]
    assert [int(graph.head) for graph in prepared.train_graphs] == [0] * 16 + [1] * 16
    assert [int(graph.frame_index) for graph in prepared.train_graphs] == list(range(32))
    for graph, frame in zip(prepared.train_graphs, splits.train, strict=True):
        assert prepared.groups[int(graph.group)] == frame.group
        assert float(graph.energy) == frame.energy
        np.testing.assert_array_equal(graph.forces.numpy(), frame.forces)
    heads = prepared.config.data.heads
    gfn2, other = (
        prepare(configuration(tmp_path, data=alone)).config
        for alone in (
            {"train": "gfn2.xyz", "test": None, "heads": {}},
            {"train": "scaled.xyz", "test": None, "heads": {}, "energy": {"key": "E", "unit": "meV"}, "forces": "F"},
        )
    )
    for name, alone in (("gfn2", gfn2), ("scaled", other)):
        assert heads[name].reference_energies == pytest.approx(alone.data.reference_energies)
        assert heads[name].scale == alone.model.scale
        assert heads[name].shift == alone.model.shift
    assert other.model.scale != gfn2.model.scale
    assert prepare(prepared.config).config == prepared.config
    assert prepare(prepared.config).digest == prepared.digest


def test_the_order_and_weights_of_heads_are_in_the_digest(tmp_path: Path) -> None:
    write_levels(tmp_path)
    digests = {prepare(configuration(tmp_path)).digest}
    weighted = {"scaled": {"energy": {"key": "E", "unit": "meV"}, "forces": "F", "weight": 2.0}}
    digests.add(prepare(configuration(tmp_path, data={"heads": weighted})).digest)
    renamed = [{"file": "gfn2.xyz", "head": "xtb"}, {"file": "scaled.xyz", "head": "scaled"}]
    digests.add(prepare(configuration(tmp_path, data={"train": renamed})).digest)
    assert len(digests) == 3


def test_heads_in_a_file_of_a_run(tmp_path: Path) -> None:
    write_levels(tmp_path)
    result = quietly(configuration(tmp_path))
    potential = model_file.load(result.best)
    assert potential.heads == ("gfn2", "scaled")
    assert result.table is not None
    assert [list(split.heads) for split in result.table.splits] == [["gfn2", "scaled"]] * 3
    test = result.table.splits[2]
    assert test.heads["scaled"] == test.errors
    assert test.heads["gfn2"].energy is None
    assert "  scaled" in result.table.text()
    # The same errors as those of the head alone on its own files, read with its own keys and units.
    alone = potential.select_head("scaled")
    labels = label_config(alone.metadata)
    assert (labels.energy.key, labels.energy.unit, labels.forces.key) == ("E", "meV", "F")
    frames = read_labeled(str(tmp_path / "scaled.xyz@:3"), labels, ())
    found = evaluate(alone, frames).errors.errors
    assert found.energy.rmse == pytest.approx(test.errors.energy.rmse, rel=1e-4)
    assert found.forces.rmse == pytest.approx(test.errors.forces.rmse, rel=1e-4)
    last = rows(result)[-1]
    of_heads = [float(last[f"{head}/forces_rmse_meV_per_A"]) for head in potential.heads]
    together = float(last["forces_rmse_meV_per_A"])
    assert together == pytest.approx(np.sqrt(np.mean(np.square(of_heads))))


def test_an_interrupted_run_ends_as_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_levels(tmp_path)
    (tmp_path / "whole").mkdir()
    whole = quietly(configuration(tmp_path).model_copy(update={"run": str(tmp_path / "whole" / "run")}))
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        quietly(configuration(tmp_path))
    same_end(quietly(configuration(tmp_path)), whole)


@pytest.mark.parametrize("weight", [0.25, 3.0])
def test_the_weight_of_a_head(tmp_path: Path, weight: float) -> None:
    """It multiplies the gradient of its readouts."""
    write_levels(tmp_path)

    def gradients(of_scaled: float) -> list[torch.Tensor]:
        heads = {"scaled": {"energy": {"key": "E", "unit": "meV"}, "forces": "F", "weight": of_scaled}}
        config = configuration(tmp_path, data={"heads": heads, "batch_size": 32}, train={"precision": "float64"})
        prepared = prepare(config)
        torch.manual_seed(0)
        potential = initial_potential(prepared.config, prepared.reference_energies)
        batch = collate(list(prepared.train_graphs))
        loss = loss_sums(potential.train()(batch), batch, prepared.config.loss)[0].sum()
        loss.backward()
        of_heads = potential.network.readouts_of_heads()
        return [torch.cat([p.grad.flatten() for p in readouts.parameters()]) for readouts in of_heads]

    plain, changed = gradients(1.0), gradients(weight)
    torch.testing.assert_close(changed[0], plain[0])
    torch.testing.assert_close(changed[1], weight * plain[1])
    assert plain[1].abs().max() > 0


def test_frames_stay_in_files(tmp_path: Path) -> None:
    """With heads whose data are read lazily, the weights are those of a run in memory."""
    write_levels(tmp_path)
    for name in ("gfn2", "scaled"):
        convert([str(tmp_path / f"{name}.xyz")], tmp_path / f"{name}.aselmdb")
    files = [{"file": f"{name}.aselmdb", "head": name} for name in ("gfn2", "scaled")]
    results = []
    for loading in ("lazy", "memory"):
        config = configuration(tmp_path, data={"train": files, "test": None, "loading": loading})
        results.append(quietly(config.model_copy(update={"run": str(tmp_path / loading)})))
    lazy, memory = (load_file(result.best) for result in results)
    assert lazy.keys() == memory.keys()
    assert all(torch.equal(lazy[name], memory[name]) for name in lazy)
    assert results[0].table == results[1].table


ONE = [{"file": "gfn2.xyz", "head": "a"}]
SPACE = [{"file": "gfn2.xyz", "head": "a b"}, {"file": "scaled.xyz", "head": "c"}]
OTHER = [{"file": "gfn2.xyz", "head": "pbe"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train": ONE, "heads": {}, "test": None}, 'only the head "a" is named; give at least two heads'),
        ({"heads": {"dft": {}}}, 'data.heads.dft: no training file has the head "dft"; they have gfn2 or scaled'),
        ({"validation": "gfn2.xyz"}, "data.validation: expected a list of {file, head}"),
        ({"validation": [{"file": "gfn2.xyz", "head": "gfn2"}]}, 'data.validation: no file of the head "scaled"'),
        ({"test": OTHER}, 'data.test: no training file has the head "pbe"'),
        ({"test": {"hot": OTHER}}, 'data.test.hot: no training file has the head "pbe"'),
        ({"train": "gfn2.xyz", "test": None}, "give data.train as a list of {file: FILE, head: NAME}"),
        ({"train": SPACE, "heads": {}, "test": None}, "data.train"),
        ({"heads": {"scaled": {"weight": -1.0}}}, "data.heads.scaled.weight"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(tmp_path, data=data)
    assert message in " ".join(str(caught.value).split())


def test_families_that_have_no_heads(tmp_path: Path) -> None:
    content = yaml.safe_load(configuration_text(tmp_path)) | {"model": {"name": "ace"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="ace is fitted in closed form and has no heads"):
        load_config(tmp_path / "config.yaml")


def test_errors_name_the_head(tmp_path: Path) -> None:
    write_levels(tmp_path)
    config = configuration(tmp_path, data={"heads": {"scaled": {"energy": "E0", "forces": "F"}}})
    with pytest.raises(DataError, match=r"head scaled: training data: .*E0"):
        prepare(config)


@pytest.mark.slow
def test_two_levels_of_theory_are_learned(tmp_path: Path) -> None:
    """Both heads reach errors far below the difference between the levels, and neither learns the other's noise."""
    write_levels(tmp_path, frames=200)
    text = configuration_text(
        tmp_path, train={"max_epochs": 60}, data={"validation": 10}, loss={"energy": {"weight": 100}}
    )
    content = yaml.safe_load(text) | {"model": {"name": "mace", "cutoff": 4.0, "channels": 16, "feature_degree": 1}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    result = quietly(load_config(tmp_path / "config.yaml"))
    potential = model_file.load(result.best)
    assert isinstance(potential, MultiHeadPotential)
    assert result.table is not None
    validation = result.table.splits[1]
    for head in potential.heads:
        assert validation.heads[head].forces.rmse < 0.12
        assert validation.heads[head].energy_per_atom.rmse < 0.01
    frames = [atoms.atoms for atoms in read_frames(str(tmp_path / "gfn2.xyz@:5"))]
    for atoms in frames:
        labels = atoms.calc.results
        found = []
        for head in potential.heads:
            copied = atoms.copy()
            copied.calc = potential.calculator(head=head)
            found.append((copied.get_potential_energy(), copied.get_forces()))
        assert found[0][0] == pytest.approx(labels["energy"], abs=0.2)
        assert found[1][0] == pytest.approx(0.8 * labels["energy"] + 30, abs=0.2)
        assert np.sqrt(np.mean((found[1][1] - 0.8 * labels["forces"]) ** 2)) < 0.2
