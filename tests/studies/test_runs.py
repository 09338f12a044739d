"""The runs of a study: same validation and test frames, nested training frames, equal numbers of steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from potentials.config import load_config
from potentials.data.prepare import prepare
from potentials.errors import ConfigError, PotentialsError
from potentials.potential import Potential
from potentials.studies.runs import Plan, StudyRun
from potentials.studies.study import load_study


def plan(file: Path, old: str = "", new: str = "") -> Plan:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return Plan(load_study(file))


def test_small_runs_come_first(study_file: Path) -> None:
    runs = plan(study_file).runs
    assert len(set(runs)) == len(runs) == 3 * 2 * 2
    assert [run.size for run in runs] == [8] * 6 + [16] * 6


@pytest.mark.slow
def test_frames_are_nested_and_the_rest_is_fixed(study_file: Path) -> None:
    made = plan(study_file)
    frames: dict[StudyRun, set[int]] = {}
    others = set()
    for run in made.runs:
        prepared = prepare(made.config(run))
        parts = [prepared.train, prepared.validation, prepared.tests["test"]]
        numbers = [{frame.frame.index for frame in part} for part in parts]
        assert len(numbers[0]) == run.size
        assert not numbers[0] & (numbers[1] | numbers[2])
        frames[run] = numbers[0]
        others.add((frozenset(numbers[1]), frozenset(numbers[2])))
    assert len(others) == 1
    for variant in ("schnet", "ace"):
        for seed in (1, 2):
            assert frames[StudyRun(variant, 8, seed)] < frames[StudyRun(variant, 16, seed)]
        assert frames[StudyRun(variant, 8, 1)] != frames[StudyRun(variant, 8, 2)]
    assert frames[StudyRun("schnet", 8, 1)] == frames[StudyRun("ace", 8, 1)]


def test_steps_are_equal_whatever_the_size(study_file: Path) -> None:
    made = plan(study_file, "steps: 8", "steps: 80\nwarmup_steps: 6\nvalidations: 4")
    for size, epochs in ((8, 40), (16, 20)):
        config = made.config(StudyRun("wide", size, 2))
        assert config.train.max_epochs == epochs
        assert config.train.schedule.name == "cosine"
        assert config.train.schedule.warmup_epochs == pytest.approx(6 / (size / 4))
        assert config.train.validate_every == epochs // 4
        assert config.train.early_stopping is None
        assert config.train.optimizer.learning_rate == 0.003
        assert (config.seed, config.data.split_seed) == (2, 5)
        assert config.model.channels == 6
        assert config.model.layers == 1


def test_another_family_keeps_what_every_family_has(study_file: Path) -> None:
    made = plan(study_file, "schnet: {}", "mace: {model: {name: mace, channels: 2}}")
    config = made.config(StudyRun("mace", 8, 1))
    assert config.model.name == "mace"
    assert config.model.cutoff == 4.0
    assert config.model.radial.size == 8
    assert made.config(StudyRun("ace", 8, 1)).model.cutoff == 4.0


def test_runs_train_alone(study_file: Path) -> None:
    made = plan(study_file)
    run = StudyRun("schnet", 16, 2)
    config = made.config(run)
    assert Path(config.run) == study_file.parent / "study" / "schnet" / "16-2"
    assert made.folder(run).path == Path(config.run)


def test_parameters_are_matched(study_file: Path) -> None:
    study_file.write_text(study_file.read_text().replace("channels: 6", "channels: 40"))
    matched = "mace: {model: {name: nequip, layers: 1, degree: 0, radial_mlp: [8]}, match_parameters: {variant: wide}}"
    made = plan(study_file, "schnet: {}", matched)

    def parameters(config, **changes) -> int:
        model = config.model.model_copy(update={"elements": ["Cu"], "average_neighbors": 9.0, "scale": 1.0, **changes})
        return Potential(model.model_copy(update={"shift": 0.0}), {"Cu": 0.0}).num_parameters()

    wanted = parameters(made.config(StudyRun("wide", 8, 1)))
    config = made.config(StudyRun("mace", 8, 1))
    chosen = config.model.channels
    distances = {
        channels: abs(parameters(config, channels=channels) - wanted)
        for channels in range(max(1, chosen - 2), chosen + 3)
    }
    assert min(distances, key=distances.__getitem__) == chosen


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("channels: 6", "chanels: 6", 'variant wide: model.chanels: unknown key; did you mean "channels"'),
        ("name: ace", "name: acee", "variant ace: model.name: expected the name of a family"),
        (
            "model: {name: ace",
            "loss: {forces: {function: mae}}, model: {name: ace",
            "variant ace: loss.forces.function",
        ),
    ],
    ids=["key", "family", "loss"],
)
def test_what_is_wrong_with_a_variant_names_it(study_file: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PotentialsError, match=message):
        plan(study_file, old, new)


def test_steps_that_whole_epochs_do_not_make(study_file: Path) -> None:
    """With 8 frames in batches of 4 an epoch has two steps."""
    with pytest.raises(
        PotentialsError, match="steps: 7 is not possible with 2 steps per epoch: the nearest number of epochs gives 8"
    ):
        plan(study_file, "steps: 8", "steps: 7")


def test_steps_cannot_be_counted_with_a_budget_of_atoms(study_file: Path) -> None:
    base = study_file.parent / "base.yaml"
    base.write_text(base.read_text().replace("batch_size: 4", "max_atoms_per_batch: 128"))
    with pytest.raises(PotentialsError, match=r"give data\.batch_size in the base configuration"):
        plan(study_file)


def test_a_time_limit_of_the_base_does_not_cut_steps_short(study_file: Path) -> None:
    base = study_file.parent / "base.yaml"
    base.write_text(base.read_text().replace("max_epochs: 3", "max_epochs: 3\n  max_time: 1s"))
    made = plan(study_file)
    assert made.config(made.runs[0]).train.max_time is None


def test_parameters_that_nothing_matches(study_file: Path) -> None:
    matched = "mace: {model: {name: mace}, match_parameters: {variant: wide}}"
    expected = r"no value of channels gives about \d+ parameters; the closest is channels = 1 with \d+\. Match"
    with pytest.raises(PotentialsError, match=expected):
        plan(study_file, "schnet: {}", matched)


def test_what_the_study_decides_is_no_variant(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"variants\.ace\.train\.max_epochs: this is set by the study"):
        plan(study_file, "ace: {model", "ace: {train: {max_epochs: 3}, model")


def test_a_base_without_test_frames(study_file: Path) -> None:
    base = study_file.parent / "base.yaml"
    base.write_text(base.read_text().replace("test: 7, ", ""))
    with pytest.raises(PotentialsError, match=r"base.yaml: data.test is missing"):
        plan(study_file)


def test_a_base_that_is_not_there(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml.* cannot be read"):
        plan(study_file, "base: base.yaml", "base: nowhere.yaml")


def test_a_setting_that_cannot_be_matched(study_file: Path) -> None:
    match = "ace: {match_parameters: {variant: wide}, model"
    with pytest.raises(PotentialsError, match="ace has no integer setting called channels"):
        plan(study_file, "ace: {model", match)


def test_epochs_that_fit_into_the_time_stay(study_file: Path) -> None:
    made = plan(study_file, "steps: 8", "time: 3s")
    run = StudyRun("schnet", 8, 1)
    config = made.config(run)
    assert config.train.max_time.total_seconds() == 3
    assert config.train.max_epochs >= 1
    folder = made.folder(run)
    folder.create()
    folder.write_config(load_config(study_file.parent / "base.yaml", ["train.max_epochs=17"]))
    assert made.config(run).train.max_epochs == 17
