import json
import shutil

import ase.io
import pytest
from run_comparison import quietly
from toy_family import toy_run

from potentials.cache import CACHE_VARIABLE
from potentials.data.conversion.convert import convert
from potentials.data.read import read_frames
from potentials.data.split import SplitInFiles
from potentials.errors import ModelFileError
from potentials.report.gathering import Origin, gather
from potentials.report.report import SECTIONS, make_page
from potentials.report.sections.parity import section as parity


def test_the_parts_of_a_run_are_those_it_was_trained_on(toy_folder):
    subject = gather(Origin.of(toy_folder))
    splits = json.loads((toy_folder / "splits.json").read_text())
    recorded = {"train": splits["train"], "validation": splits["validation"], **splits["tests"]}
    assert list(subject.splits) == ["train", "validation", "test"]
    for name, frames in subject.splits.items():
        assert [frame.frame.index for frame in frames] == recorded[name]["builtin:copper"]
    assert (list(subject.remarks), subject.no_data) == ([], "")
    assert subject.run.path == toy_folder


def test_a_folder_and_its_model_file_are_the_same(toy_folder, tmp_path):
    assert Origin.of(toy_folder).model_file == Origin.of(toy_folder / "best.potential").model_file
    shutil.copy(toy_folder / "best.potential", tmp_path)
    assert Origin.of(tmp_path / "best.potential").run is None
    with pytest.raises(ModelFileError, match=r"no best\.potential in it"):
        Origin.of(tmp_path.parent)


def test_a_model_alone_has_no_data(toy_folder, tmp_path):
    shutil.copy(toy_folder / "best.potential", tmp_path)
    subject = gather(Origin.of(tmp_path / "best.potential"))
    assert subject.splits == {}
    assert "no data were given" in parity(subject).missing
    assert "potentials report" in parity(subject).missing


@pytest.fixture
def own_data(tmp_path):
    """A run on a file that may be changed."""
    file = tmp_path / "copper.xyz"
    ase.io.write(file, [frame.atoms for frame in read_frames("builtin:copper@1:30")])
    return quietly(toy_run(tmp_path, data__train=str(file), train__max_epochs=1)).folder, file


def test_data_that_are_gone_are_told_of(own_data):
    folder, file = own_data
    file.unlink()
    subject = gather(Origin.of(folder))
    assert subject.splits == {}
    assert "the data of the run cannot be read" in subject.no_data
    assert "copper.xyz" in parity(subject).missing


def test_data_that_have_changed_are_told_of(own_data):
    folder, file = own_data
    frames = ase.io.read(file, ":")
    for frame in frames:
        frame.positions[0] += 0.1
    ase.io.write(file, frames)
    (remark,) = gather(Origin.of(folder)).remarks
    assert "differ from the data used in training" in remark
    assert "copper.xyz" in remark


def test_a_damaged_configuration_is_told_of(own_data):
    folder, _ = own_data
    (folder / "resolved.yaml").write_text("run: [")
    assert "cannot be read" in gather(Origin.of(folder)).no_data


def test_given_data_stand_beside_the_training_frames(own_data, make_frame):
    folder, file = own_data
    given = {"other.xyz": [make_frame("Cu4")]}
    assert list(gather(Origin.of(folder), given=given).splits) == ["train", "other.xyz"]
    file.unlink()
    subject = gather(Origin.of(folder), given=given)
    assert list(subject.splits) == ["other.xyz"]
    assert "cannot be read" in subject.remarks[0]


def test_frames_that_stay_in_their_files(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr("potentials.report.predictions.evaluated.MOST_FRAMES", 10)
    convert(["builtin:copper@1:40"], tmp_path / "copper.aselmdb")
    lazy = toy_run(tmp_path, data__train=str(tmp_path / "copper.aselmdb"), data__loading="lazy", train__max_epochs=1)
    subject = gather(Origin.of(quietly(lazy).folder))
    assert isinstance(subject.splits["train"], SplitInFiles)
    assert list(subject.remarks) == []
    train, _, test = subject.evaluated.splits
    assert (train.count, test.count) == ("10 of 28", "5")
    skip = set(SECTIONS) - {"parity", "errors", "worst", "provenance"}
    page = make_page(subject, skip=skip)
    assert all(section.missing is None for section in page.sections)
    assert "copper.aselmdb, frame" in page.html()
