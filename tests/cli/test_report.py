import hashlib
import json
import shutil
from pathlib import Path

import ase.io
import pytest
from toy_family import forget_toy, register_toy, toy_run

from potentials.data.read import read_frames
from potentials.report import report as report_module
from potentials.training.run import train

MODEL = "builtin:ethanol"
DATA_SECTIONS = ("learning", "parity", "errors", "worst", "provenance")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    register_toy()
    yield train(toy_run(tmp_path_factory.mktemp("runs"), train__max_epochs=2), progress=False).folder
    forget_toy()


@pytest.fixture(autouse=True)
def _only_what_is_quick(monkeypatch):
    entries = {name: entry for name, entry in report_module.SECTIONS.items() if name in DATA_SECTIONS}
    monkeypatch.setattr(report_module, "SECTIONS", entries)


def test_the_report_of_a_run_lies_in_its_folder(potentials, run_folder):
    result = potentials("report", run_folder)
    assert result.exit_code == 0, result.output
    page = run_folder / "report.html"
    assert result.stdout.strip() == str(page)
    assert "report 1/5: learning curves" in result.stderr
    assert "builtin:copper, frame" in page.read_text()


def test_it_goes_where_it_is_told_and_without_sections(potentials, run_folder, tmp_path):
    page = tmp_path / "page.html"
    result = potentials("report", run_folder / "best.potential", "-o", page, "--skip", "worst", "--skip", "errors")
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert 'id="learning-curves"' in text
    assert 'id="frames-with-the-largest-errors"' not in text


@pytest.mark.slow
def test_given_data_are_named_after_their_files(potentials, run_folder, aluminium_file, tmp_path):
    page = tmp_path / "page.html"
    # The potential knows copper only: the frames are told of, and nothing else fails.
    result = potentials("report", run_folder, aluminium_file, "builtin:copper@:3", "-o", page)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert (
        "al.xyz: ignored frames with elements that the potential does not support (Al; supported: Cu): 24 of 24" in text
    )
    assert "builtin:copper@:3: force components" in text
    assert 'note: labels: energy from "energy" (eV)' in result.stderr


@pytest.mark.slow
def test_units_of_given_data_are_converted(potentials, run_folder, tmp_path):
    pages = {}
    for unit in ("eV", "Ha"):
        page = tmp_path / f"{unit}.html"
        result = potentials("report", run_folder, "builtin:copper@5", "--energy-unit", unit, "-o", page)
        assert result.exit_code == 0, result.output
        pages[unit] = page.read_text()
    assert 'energy from "energy" (Ha)' in result.stderr
    assert pages["eV"] != pages["Ha"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.potential"], "no such model file"),
        (["."], "expected a model file or the folder of a run"),
        (["RUN", "missing.xyz"], "missing.xyz"),
        (["RUN", "empty.xyz"], "empty.xyz"),
        (["RUN", "builtin:copper@:2", "--energy", "enrgy"], "enrgy"),
        (["RUN", "--skip", "learnig"], 'unknown section "learnig"'),
        (["RUN", "--energy-unit", "Ha"], "options for labels require DATA"),
        (["RUN", "--output", "no/such/page.html"], "does not exist"),
        (["RUN", "--device", "gpu"], "device: expected"),
    ],
)
def test_bad_input_is_refused_at_once(potentials, run_folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("empty.xyz").touch()
    result = potentials("report", *[run_folder if argument == "RUN" else argument for argument in arguments])
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert not list(tmp_path.glob("**/*.html"))


def test_infinite_labels_are_refused(potentials, run_folder, tmp_path):
    file = tmp_path / "infinite.xyz"
    file.write_text(
        '2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=inf pbc="F F F"\nCu 0 0 0 0 0 0\nCu 2 0 0 0 0 0\n'
    )
    result = potentials("report", run_folder, file)
    assert result.exit_code == 2
    assert "infinite.xyz" in result.stderr


def test_a_run_without_its_course_or_data_has_a_report_all_the_same(potentials, run_folder, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run_folder, folder)
    (folder / "metrics.csv").write_text("epoch,valid")
    resolved = folder / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("builtin:copper@1:40", "/nowhere/gone.xyz"))
    result = potentials("report", folder)
    assert result.exit_code == 0, result.output
    text = (folder / "report.html").read_text()
    assert "metrics.csv is damaged" in text
    assert "the data of the run cannot be read" in text.lower()
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "finished"


def test_training_ends_with_the_report(potentials, tmp_path, monkeypatch):
    from potentials.config import dump_config

    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(dump_config(toy_run(tmp_path)))
    result = potentials("train", "toy.yaml", "run=copper", "train.max_epochs=1")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "report  runs/copper/report.html"
    assert Path("runs/copper/report.html").is_file()
    again = potentials("train", "toy.yaml", "run=copper", "train.max_epochs=1")
    assert again.stdout == result.stdout


@pytest.mark.slow
def test_the_builtin_potential_has_a_report_in_the_current_folder(potentials, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = potentials("report", MODEL, "builtin:ethanol@:4", "--skip", "learning", "--skip", "worst")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "report.html"
    record = json.loads(Path("report.json").read_text())
    file = Path(record["provenance"]["model"]["file"])
    assert file.name == "ethanol.potential"
    assert record["provenance"]["model"]["sha256 of the file"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_the_page_does_not_replace_an_input(potentials, run_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = Path("a.json")
    ase.io.write(data, read_frames("builtin:copper@3")[0].atoms)
    before = data.read_bytes()
    for output in ("a.json", "a.html"):
        result = potentials("report", run_folder, "a.json", "-o", output)
        assert result.exit_code == 2, result.output
        assert "also an input" in result.stderr
    assert data.read_bytes() == before
