"""Replay: the frames by which a run remembers its starting potential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase.data import covalent_radii
from morse_family import morse_potential
from run_comparison import interrupt_at_the_end_of, quietly

import potentials
import potentials.interop.starting
from potentials.config import family_config, load_config
from potentials.config.run import RunConfig
from potentials.data.builtin import builtin_path
from potentials.data.module import GraphDataModule
from potentials.data.prepare import prepare
from potentials.errors import ConfigError, DataError
from potentials.potential import Potential, model_file
from potentials.training.fine_tuning import replay_structures as module_of_structures
from potentials.training.fine_tuning.replay import with_replay
from potentials.training.fine_tuning.replay_structures import replay_structures
from potentials.training.fine_tuning.starting import initial_potential

ENERGIES = {"Cu": -0.5, "H": -1.5, "O": -2.5}
MODEL: dict[str, Any] = {
    "name": "nequip", "cutoff": 4.5, "channels": 4, "degree": 1, "layers": 2, "radial_mlp": [6],
    "elements": ["H", "O", "Cu"], "average_neighbors": 12.0, "scale": 1.5, "shift": 0.1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POTENTIALS_CACHE", str(tmp_path / "cache"))


def configuration(folder: Path, **sections: Any) -> RunConfig:
    torch.manual_seed(5)
    if not (folder / "start.potential").is_file():
        Potential(family_config(MODEL), ENERGIES, "float64").save(folder / "start.potential")
    content: dict[str, Any] = {
        "run": str(folder / "run"),
        "start_from": "start.potential",
        "fine_tune": {"method": "replay", "replay": {"generate": 30}},
        "data": {"train": "builtin:copper@1:17", "validation": 0.2, "stress": None, "batch_size": 5},
        "train": {"max_epochs": 3, "accelerator": "cpu"},
        "logging": {"report": False},
    }
    for name, section in sections.items():
        content[name] = content.get(name, {}) | section if isinstance(section, dict) else section
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return load_config(folder / "config.yaml")


def test_structures() -> None:
    """Every element occurs, no atoms overlap but those of pairs, and fewer structures are the first of more."""
    elements = ["H", "C", "O", "Si", "Fe", "Cs"]
    torch.manual_seed(5)
    energies = dict.fromkeys(elements, 0.0)
    potential = Potential(family_config({**MODEL, "elements": elements}), energies, "float64").eval()
    structures = replay_structures(potential, 60, seed=3)
    assert [atoms.get_chemical_formula() for atoms in replay_structures(potential, 20, 3)] == [
        atoms.get_chemical_formula() for atoms in structures[:20]
    ]
    assert not np.array_equal(structures[0].positions, replay_structures(potential, 1, 4)[0].positions)
    counts = {symbol: sum(symbol in atoms.symbols for atoms in structures) for symbol in elements}
    assert min(counts.values()) >= 5
    periodic = [atoms for atoms in structures if atoms.pbc.all()]
    pairs = [atoms for atoms in structures if len(atoms) == 2 and not atoms.pbc.any()]
    assert (len(periodic), len(pairs)) == (36, 12)
    ratios = {}
    for name, chosen in (("pairs", pairs), ("others", [a for a in structures if not any(a is p for p in pairs)])):
        closest = []
        for atoms in chosen:
            copies = atoms.repeat(2) if atoms.pbc.any() else atoms
            distances = copies.get_all_distances(mic=bool(atoms.pbc.any()))
            radii = covalent_radii[copies.numbers]
            if len(copies) > 1:
                closest.append((distances / (radii[:, None] + radii))[~np.eye(len(copies), dtype=bool)].min())
        ratios[name] = np.array(closest)
    assert 0.5 <= ratios["pairs"].min() < 0.7
    assert ratios["others"].min() > 0.6
    of_one = replay_structures(potential, 30, 1, ["Si"])
    assert {symbol for atoms in of_one for symbol in atoms.symbols} == {"Si"}
    assert {len(atoms) for atoms in of_one} <= set(range(1, 17))


def test_crystals_have_the_volume_of_the_lowest_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are strained, up to the steps in which it is sought; those that collapse have a typical distance."""
    potential = morse_potential()
    monkeypatch.setattr(module_of_structures, "_deformed", lambda atoms, rng: atoms)
    crystals = [atoms for atoms in replay_structures(potential, 60, 2, ["Cu"]) if atoms.pbc.all()]
    assert len(crystals) == 36
    assert {len(atoms) for atoms in crystals} <= set(range(4, 13))
    found = 0
    typical = 2 * covalent_radii[29] * 0.9 * (2.2 / 0.9) ** (3 / 15)
    factors = np.linspace(0.8, 1.4, 61)
    for atoms in crystals:
        energies = []
        for factor in factors:
            scaled = atoms.copy()
            scaled.set_cell(factor * atoms.cell.array, scale_atoms=True)
            scaled.calc = potential.calculator(compiled=False)
            energies.append(scaled.get_potential_energy())
        if abs(factors[int(np.argmin(energies))] - 1) < 0.035:
            found += 1
        else:
            distances = atoms.repeat(2).get_all_distances(mic=True)
            assert distances[distances > 0].min() == pytest.approx(typical)
    assert found >= 27


def test_labels_are_those_of_the_starting_potential(tmp_path: Path) -> None:
    config = with_replay(configuration(tmp_path), tmp_path / "run")
    frames = ase.io.read(tmp_path / "run" / "replay.extxyz", ":")
    assert 20 <= len(frames) <= 30
    start = potentials.load(tmp_path / "start.potential", precision="float32")
    for atoms in frames:
        copied = atoms.copy()
        copied.calc = start.calculator(compiled=False)
        assert atoms.get_potential_energy() == pytest.approx(copied.get_potential_energy(), abs=1e-4)
        np.testing.assert_allclose(atoms.get_forces(), copied.get_forces(), atol=1e-4)
        assert np.abs(atoms.get_forces()).max() <= 20
    assert list(config.data.heads) == ["default", "replay"]
    prepared = prepare(config)
    heads = prepared.config.data.heads
    assert heads["replay"].reference_energies == pytest.approx(ENERGIES)
    assert (heads["replay"].scale, heads["replay"].shift) == (1.5, 0.1)
    assert (heads["default"].scale, heads["default"].shift) == (1.5, 0.1)
    counts = np.bincount([int(graph.head) for graph in prepared.train_graphs])
    assert counts.tolist() == [13, len(frames) - round(0.2 * len(frames))]
    assert (heads["default"].repeat, heads["replay"].repeat) == (1, 1)


def test_few_frames_are_repeated(tmp_path: Path) -> None:
    """An epoch has at most eight replayed frames for each of the others, unless the number is given."""
    config = configuration(tmp_path, data={"train_size": 1}, fine_tune={"replay": {"generate": 40}})
    prepared = prepare(with_replay(config, tmp_path / "run"))
    heads, replayed = prepared.config.data.heads, int((prepared.train.heads == 1).sum())
    assert (heads["default"].repeat, heads["replay"].repeat) == (round(replayed / 8), 1)
    assert replayed >= 24
    assert any(note.startswith("data.heads.default.repeat = ") for note in prepared.notes)
    module = GraphDataModule(prepared, prepared.config.model.elements, prepared.config.model.cutoff)
    used = np.bincount([index for batch in module.train_dataloader().batch_sampler for index in batch])
    assert used.tolist() == [heads["default"].repeat, *[1] * replayed]
    again = prepare(prepared.config)
    assert again.config.data.heads == heads


def test_a_run_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two heads that start as the starting potential; an interrupted run ends as a whole one, with the same labels."""
    config = with_replay(configuration(tmp_path), tmp_path / "run")
    prepared = prepare(config)
    first = initial_potential(prepared.config, prepared.reference_energies)
    assert first.heads == ("default", "replay")
    graph = prepared.train_graphs[0]
    start = potentials.load(tmp_path / "start.potential", precision="float32")
    for head in first.heads:
        assert torch.equal(first.select_head(head)(graph).forces, start(graph).forces)
    whole = quietly(configuration(tmp_path).model_copy(update={"run": str(tmp_path / "whole")}))
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        quietly(configuration(tmp_path))
    written = (tmp_path / "run" / "replay.extxyz").stat().st_mtime_ns
    end = quietly(configuration(tmp_path))
    assert (tmp_path / "run" / "replay.extxyz").stat().st_mtime_ns == written
    assert (tmp_path / "run" / "replay.extxyz").read_bytes() == (tmp_path / "whole" / "replay.extxyz").read_bytes()
    assert whole.table is not None
    assert end.table is not None
    for one, other in zip(whole.table.splits, end.table.splits, strict=True):
        assert one == other
    best = model_file.load(end.best)
    assert best.heads == ("default", "replay")
    assert best.metadata["started_from"]["method"] == "replay"
    # Both heads have moved, each in its own way.
    readouts = [torch.cat([p.flatten() for p in r.parameters()]) for r in best.network.readouts_of_heads()]
    assert not torch.equal(readouts[0], readouts[1])


def test_given_frames_and_structures(tmp_path: Path) -> None:
    """Frames with labels keep them; structures get those of the starting potential."""
    frames = ase.io.read(builtin_path("copper"), "40:60")
    ase.io.write(tmp_path / "kept.extxyz", frames)
    config = configuration(
        tmp_path, fine_tune={"replay": {"files": "kept.extxyz@:10", "structures": "kept.extxyz@10:", "weight": 3.0}}
    )
    config = with_replay(config, tmp_path / "run")
    assert config.data.heads["replay"].weight == 3.0
    prepared = prepare(config)
    given = {round(float(frame.get_potential_energy()), 6) for frame in frames[:10]}
    found = [frame for frame in prepared.train if frame.group == "replay" or frame.group.startswith("replay: ")]
    energies = {round(frame.energy, 6) for frame in found}
    assert len(energies & given) == len([frame for frame in found if "kept" in frame.frame.file])
    assert any("replay.extxyz" in frame.frame.file for frame in found)
    for frame in found:
        mean = np.square(frame.forces).sum(1).mean()
        weight = 3.0 if "kept" in frame.frame.file else 3.0 / (1 + mean / 0.5**2)
        assert frame.weight == pytest.approx(weight)


def test_validation_files_and_settings_of_the_data(tmp_path: Path) -> None:
    """Labels, units, groups and sizes of the data do not apply to replay; a part of the frames is for validation."""
    frames = ase.io.read(builtin_path("copper"), "1:13")
    for atoms in frames:
        atoms.info["E"], atoms.info["kind"] = atoms.get_potential_energy(), "new"
        atoms.arrays["F"] = atoms.get_forces()
        atoms.positions, atoms.cell[:] = atoms.positions / 0.529177210903, atoms.cell.array / 0.529177210903
        atoms.calc = None
    ase.io.write(tmp_path / "bohr.extxyz", frames)
    data = {
        "train": "bohr.extxyz@:8", "validation": "bohr.extxyz@8:10", "test": {"last": "bohr.extxyz@10:"},
        "energy": "E", "forces": "F", "length_unit": "Bohr", "group_key": "kind", "train_size": 5, "batch_size": 5,
    }  # fmt: skip
    config = with_replay(configuration(tmp_path, data=data), tmp_path / "run")
    prepared = prepare(config)
    assert set(prepared.groups) == {"default: new", "replay"}
    heads = [int(graph.head) for graph in prepared.train_graphs]
    assert heads.count(0) == 5
    assert heads.count(1) >= 18
    validation = [frame.group for frame in prepared.validation]
    assert validation.count("default: new") == 2
    assert validation.count("replay") >= 2
    assert [len(split) for split in prepared.tests.values()] == [2]
    labeled = {tuple(np.round(frame.frame.atoms.positions.flatten(), 6)) for frame in prepared.validation}
    trained = {tuple(np.round(frame.frame.atoms.positions.flatten(), 6)) for frame in prepared.train}
    assert not labeled & trained


def test_replay_joins_the_heads_of_a_run(tmp_path: Path) -> None:
    files = [{"file": "builtin:copper@1:9", "head": "emt"}, {"file": "builtin:copper@9:17", "head": "other"}]
    config = with_replay(configuration(tmp_path, data={"train": files}), tmp_path / "run")
    assert list(config.data.heads) == ["emt", "other", "replay"]
    assert len(prepare(config).config.data.heads) == 3


@pytest.mark.parametrize(
    ("fine_tune", "message"),
    [
        ({"replay": None}, "fine_tune.replay: missing; method: replay needs frames"),
        ({"replay": {}}, "no frames; give `files` (frames with labels)"),
        ({"replay": {"generate": 0}}, "no frames"),
        ({"replay": {"generate": 5, "weight": 0}}, "fine_tune.replay.weight: expected a number greater than 0"),
        ({"method": "lora", "replay": {"generate": 5}}, "fine_tune.replay: not used by method: lora"),
        ({"replay": {"generate": 5, "elements": ["Xx"]}}, "is not the symbol of a chemical element"),
    ],
)
def test_replay_cannot_be_off_without_saying_so(tmp_path: Path, fine_tune: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(tmp_path, fine_tune=fine_tune)
    assert message in " ".join(str(caught.value).split())


def test_frames_that_cannot_be_used(tmp_path: Path) -> None:
    far = ase.Atoms("Cu2", positions=[[0, 0, 0], [9, 0, 0]])
    ase.io.write(tmp_path / "far.extxyz", [far, far])
    with pytest.raises(DataError, match=r"fine_tune.replay: only 0 of 2 structures can be used"):
        with_replay(configuration(tmp_path, fine_tune={"replay": {"structures": "far.extxyz"}}))
    ase.io.write(tmp_path / "kept.extxyz", ase.io.read(builtin_path("copper"), "40:45"))
    config = configuration(
        tmp_path, fine_tune={"replay": {"files": "kept.extxyz"}}, data={"validation": "builtin:copper@20:24"}
    )
    with pytest.raises(DataError, match="give a number or a fraction of the training frames"):
        with_replay(config)
    with pytest.raises(Exception, match="Ag"):
        with_replay(configuration(tmp_path, fine_tune={"replay": {"generate": 5, "elements": ["Ag"]}}))


def test_low_rank_updates_of_several_heads(tmp_path: Path) -> None:
    """The readouts of each head have updates of their own, and the file has the sums."""
    files = [{"file": "builtin:copper@1:9", "head": "emt"}, {"file": "builtin:copper@9:17", "head": "other"}]
    result = quietly(
        configuration(tmp_path, data={"train": files}, fine_tune={"method": "lora", "rank": 2, "replay": None})
    )
    best = model_file.load(result.best)
    assert best.heads == ("emt", "other")
    start = potentials.load(tmp_path / "start.potential", precision="float32")
    values = [torch.cat([p.flatten() for p in r.parameters()]) for r in best.network.readouts_of_heads()]
    begin = torch.cat([p.flatten() for p in start.network.first_readouts.parameters()])
    assert not torch.equal(values[0], values[1])
    assert not torch.equal(values[0], begin)


def test_a_head_of_the_user_does_not_stand_in_for_replay(tmp_path: Path) -> None:
    """Replay would be off without a word if a head of this name were taken for that of the replayed frames."""
    files = [{"file": "builtin:copper@1:9", "head": "replay"}, {"file": "builtin:copper@9:17", "head": "other"}]
    config = configuration(tmp_path, data={"train": files})
    with pytest.raises(DataError, match="the head replay is that of the replayed frames; give yours another name"):
        with_replay(config)
    prepared = with_replay(configuration(tmp_path), tmp_path / "run")
    assert with_replay(prepared) is prepared
