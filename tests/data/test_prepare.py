"""From a configuration to training data: what is inferred, why, and what stops a run before it starts."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.config.loss import EnergyLoss, ForcesLoss, LossConfig, StressLoss
from potentials.config.run import RunConfig
from potentials.data.label import LabeledFrame
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import DataError

Write = Callable[[str, list[Atoms]], str]
MakeConfig = Callable[..., RunConfig]


@pytest.fixture
def train(write: Write, molecules: list[Atoms], isolated_atoms: list[Atoms]) -> str:
    """Twelve molecules with the isolated atoms at the end."""
    return write("train.xyz", molecules + isolated_atoms)


def indices(frames: list[LabeledFrame]) -> list[int]:
    return [labeled.frame.index for labeled in frames]


def note(prepared: PreparedData, start: str) -> str:
    (found,) = [text for text in prepared.notes if text.startswith(start)]
    return found


def test_everything_that_is_inferred(train: str, make_config: MakeConfig, molecules: list[Atoms]) -> None:
    prepared = prepare(make_config({"train": train, "validation": 3}, {"cutoff": 3.0}, seed=4))
    assert len(prepared.train) == 9
    assert len(prepared.validation) == 3
    assert prepared.tests == {}
    model = prepared.config.model
    assert model.elements == ["H", "C", "O"]
    assert note(prepared, "model.elements") == "model.elements = H, C, O (those of 9 training frames)"
    assert prepared.reference_energies == pytest.approx({"H": -13.6, "C": -1028.0, "O": -2040.0})
    assert prepared.config.data.reference_energies == prepared.reference_energies
    assert "isolated atoms in" in note(prepared, "data.reference_energies")
    # The frames were made with 0.25 eV an atom on top of the isolated atoms.
    assert model.shift == pytest.approx(0.25, abs=1e-7)
    forces = np.concatenate([molecules[i].calc.results["forces"] for i in indices(prepared.train)])
    assert model.scale == pytest.approx(np.sqrt((forces**2).mean()), rel=1e-6)
    distances = [molecules[i].get_all_distances() for i in indices(prepared.train)]
    neighbors = np.concatenate([((d > 0) & (d < 3.0)).sum(axis=1) for d in distances])
    assert model.average_neighbors == pytest.approx(neighbors[neighbors > 0].mean())
    assert f"{model.average_neighbors:.2f} (mean over 9 training frames within 3 A)" in note(prepared, "model.average")
    assert prepared.warnings == []


def test_isolated_atoms_are_kept_out_of_every_part(
    train: str, make_config: MakeConfig, write: Write, molecules: list[Atoms], isolated_atoms: list[Atoms]
) -> None:
    other = write("other.xyz", [isolated_atoms[0], molecules[0]])
    prepared = prepare(make_config({"train": train, "validation": other, "test": other}))
    assert indices(prepared.train) == list(range(12))
    assert indices(prepared.validation) == indices(prepared.tests["test"]) == [1]
    assert prepared.splits["isolated_atoms"] == {train: [12, 13, 14]}
    assert "they are used for reference energies only" in note(prepared, "training data: isolated atoms in 3 frames")
    assert "(" + other + ": 0); they are left out" in note(prepared, "validation data: isolated atoms in 1 frame")


def test_isolated_atoms_from_a_file_of_their_own(
    write: Write, molecules: list[Atoms], isolated_atoms: list[Atoms], make_config: MakeConfig
) -> None:
    for atoms in isolated_atoms:
        del atoms.calc.results["forces"]
    data = {"train": write("t.xyz", molecules), "isolated_atoms": write("atoms.xyz", isolated_atoms)}
    assert prepare(make_config(data)).reference_energies["C"] == pytest.approx(-1028.0)
    with pytest.raises(DataError, match=r"data\.isolated_atoms: 12 frames .* expected single atoms"):
        prepare(make_config({**data, "isolated_atoms": data["train"]}))


def test_parts_are_disjoint_and_recorded(train: str, make_config: MakeConfig) -> None:
    prepared = prepare(make_config({"train": train, "validation": 0.25, "test": 2}, seed=9))
    parts = [indices(part) for part in (prepared.train, prepared.validation, prepared.tests["test"])]
    assert [len(part) for part in parts] == [7, 3, 2]
    assert sorted(itertools.chain(*parts)) == list(range(12))
    record = json.loads(json.dumps(prepared.splits))
    assert record["seed"] == 9
    assert record["train"] == {train: parts[0]}
    assert record["validation"] == {train: parts[1]}
    assert record["tests"] == {"test": {train: parts[2]}}


def test_the_split_follows_its_own_seed(train: str, make_config: MakeConfig) -> None:
    def validation(seed: int, split_seed: int | None) -> list[int]:
        data = {"train": train, "validation": 4, "split_seed": split_seed}
        return indices(prepare(make_config(data, seed=seed)).validation)

    assert validation(1, 5) == validation(2, 5)
    assert validation(5, None) == validation(1, 5)
    assert validation(1, None) != validation(2, None)


def test_the_result_depends_on_contents_not_on_places(train: str, make_config: MakeConfig, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy.xyz"
    copy.parent.mkdir()
    shutil.copy(train, copy)
    first, second = (prepare(make_config({"train": path})) for path in (train, str(copy)))
    assert indices(first.validation) == indices(second.validation)
    assert first.digest == second.digest
    assert first.config.model == second.config.model
    other = prepare(make_config({"train": train, "weights": {"groups": {"default": 2.0}}}))
    assert other.digest != first.digest


def test_preparing_the_resolved_configuration_changes_nothing(train: str, make_config: MakeConfig) -> None:
    first = prepare(make_config({"train": train, "test": 2}))
    second = prepare(first.config)
    assert second.config == first.config
    assert second.digest == first.digest
    assert second.splits == first.splits


def test_what_is_given_stays(train: str, make_config: MakeConfig) -> None:
    model = {
        "elements": ["Si", "O", "H", "C"], "average_neighbors": 7.0, "scale": 2.0,
        "shift": {"H": 0.0, "C": 1.0, "O": 2.0, "Si": 3.0},
    }  # fmt: skip
    energies = {"H": -13.0, "C": -1027.0, "O": -2039.0, "Si": -7000.0}
    prepared = prepare(make_config({"train": train, "reference_energies": energies}, model))
    assert prepared.config.model.elements == ["H", "C", "O", "Si"]
    assert prepared.config.model.average_neighbors == 7.0
    assert prepared.config.model.scale == 2.0
    assert prepared.config.model.shift == model["shift"]
    assert list(prepared.reference_energies.items()) == list(energies.items())
    with pytest.raises(DataError, match=r"model\.shift: no value is given for O"):
        prepare(make_config({"train": train}, {"shift": {"H": 0.0, "C": 1.0}}))
    with pytest.raises(DataError, match=r"model\.elements does not include C"):
        prepare(make_config({"train": train}, {"elements": ["H", "O"]}))


def test_scale_without_forces(write: Write, molecules: list[Atoms], make_config: MakeConfig) -> None:
    for number, atoms in enumerate(molecules):
        atoms.calc = SinglePointCalculator(atoms, energy=len(atoms) * (1.0 if number % 2 else 3.0))
    data = {"train": write("t.xyz", molecules), "validation": 4, "forces": None, "reference_energies": "zero"}
    prepared = prepare(make_config(data, loss=LossConfig(forces=ForcesLoss(weight=0.0))))
    energies = [molecules[i].calc.results["energy"] / len(molecules[i]) for i in indices(prepared.train)]
    assert prepared.config.model.scale == pytest.approx(np.std(energies))
    assert prepared.config.model.shift == pytest.approx(np.mean(energies))
    assert "standard deviation" in note(prepared, "model.scale")


def test_scale_when_nothing_varies(write: Write, make_config: MakeConfig) -> None:
    crystal = bulk("Cu")
    crystal.calc = SinglePointCalculator(crystal, energy=-3.0, forces=np.zeros((1, 3)))
    path = write("t.xyz", [crystal])
    prepared = prepare(make_config({"train": path, "validation": path}))
    assert prepared.config.model.scale == 1.0
    assert "there are no forces, and the energies do not vary" in note(prepared, "model.scale")
    assert any("validation frames that are also training frames" in warning for warning in prepared.warnings)


def test_loss_weights_and_labels_must_fit(write: Write, make_config: MakeConfig) -> None:
    crystals = []
    for seed in range(3):
        crystal = bulk("Cu", cubic=True)
        crystal.rattle(0.1, seed=seed)
        crystal.calc = SinglePointCalculator(crystal, energy=-3.0, forces=np.ones((4, 3)), stress=np.zeros(6))
        crystals.append(crystal)
    data = {"train": write("t.xyz", crystals), "validation": 1, "stress": "stress"}
    assert any("stress labels are used for errors but not" in w for w in prepare(make_config(data)).warnings)
    loss = LossConfig(energy=EnergyLoss(), forces=ForcesLoss(), stress=StressLoss(weight=1.0))
    assert not any("stress" in warning for warning in prepare(make_config(data, loss=loss)).warnings)


def test_frames_without_any_label_are_left_out(write: Write, molecules: list[Atoms], make_config: MakeConfig) -> None:
    molecules[5].calc = None
    prepared = prepare(make_config({"train": write("t.xyz", molecules), "validation": 3}))
    assert 5 not in indices(prepared.train) + indices(prepared.validation)
    assert len(prepared.train) == 8
    assert any("ignored frames without labels" in warning and "t.xyz: 5)" in warning for warning in prepared.warnings)


def test_named_test_sets_and_labels_they_lack(
    train: str, write: Write, molecules: list[Atoms], make_config: MakeConfig
) -> None:
    for atoms in molecules:
        del atoms.calc.results["forces"]
    tests = {"first": write("a.xyz", molecules[:2]), "second": write("b.xyz", molecules[2:5])}
    prepared = prepare(make_config({"train": train + "@:8", "validation": train + "@8:12", "test": tests}))
    assert {name: len(frames) for name, frames in prepared.tests.items()} == {"first": 2, "second": 3}
    assert "no forces in 2 of 2 frames" in note(prepared, 'test "first" data')
    assert any('test "first" frames that are also training frames: 2 of 2' in warning for warning in prepared.warnings)


def test_energies_of_another_level_than_the_reference(train: str, make_config: MakeConfig) -> None:
    wrong = {"train": train, "reference_energies": {"H": -0.5, "C": -37.8, "O": -75.0}}
    prepared = prepare(make_config(wrong))
    assert any("eV per atom, more than any bond" in warning for warning in prepared.warnings)


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        ({"validation": 12}, {}, "the split leaves no frame to train on: there are 12 frames"),
        ({"train": "train.xyz@12:"}, {}, "the training data are empty"),
        ({"validation": "train.xyz@12:"}, {}, "the validation data are empty"),
        ({"test": {"cold": "train.xyz@-1"}}, {}, 'the test "cold" data are empty'),
        ({"validation": "valid.xyz"}, {}, "validation data: valid.xyz: no such file; did you mean"),
        ({"energy": "REF"}, {}, 'training data: data.energy: no frame of train.xyz has "REF"'),
        ({"stress": "stress"}, {}, "none of the 15 frames is periodic"),
        (
            {"validation": "nitrogen.xyz"},
            {},
            r"the validation frames contain .* lack: N in 1 frame \(nitrogen.xyz: 0\)",
        ),
        ({"test": "nitrogen.xyz"}, {}, r"the test frames contain .* lack: N in 1 frame \(nitrogen.xyz: 0\)"),
        ({}, {"cutoff": 16.0}, "unreasonably large"),
        ({}, {"cutoff": 0.6}, "no atom of the 11 training frames has a neighbor within model.cutoff = 0.6 A"),
        ({"weights": {"groups": {"defualt": 2.0}}}, {}, 'no frame is in the group "defualt".*did you mean "default"'),
        ({"reference_energies": {"H": 0.0}}, {}, "no energy is given for C, O"),
    ],
)
def test_what_stops_a_run(
    data: dict,
    model: dict,
    message: str,
    train: str,
    write: Write,
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nitrogen = molecule("N2")
    nitrogen.calc = SinglePointCalculator(nitrogen, energy=0.0, forces=np.zeros((2, 3)))
    write("nitrogen.xyz", [nitrogen])
    monkeypatch.chdir(Path(train).parent)
    with pytest.raises(DataError, match=message):
        prepare(make_config({"train": "train.xyz", **data}, model))
