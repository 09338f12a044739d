"""`potentials import` on a model of mace-torch with two heads."""

import shutil
from pathlib import Path

import pytest

MODEL = Path(__file__).parent.parent / "interop" / "model_files" / "mace-heads.model"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with the model."""
    shutil.copy(MODEL, tmp_path / "two.model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_converted_model_works_in_other_commands(potentials):
    done = potentials("import", "two.model", "--head", "r2scan")
    assert done.exit_code == 0, done.stderr
    assert "two-r2scan.potential" in done.stdout
    shown = potentials("inspect", "two-r2scan.potential").stdout
    assert "mace-torch" in shown
    assert "head r2scan" in shown
    predicted = potentials("predict", "two-r2scan.potential", "builtin:ethanol@:2")
    assert predicted.exit_code == 0, predicted.stderr
    assert Path("predicted.extxyz").exists()


@pytest.mark.usefixtures("folder")
def test_all_heads_and_one_of_them(potentials):
    """All heads are in one file; commands name them until one is chosen, and one can have a file of its own."""
    done = potentials("import", "two.model", "-o", "both.potential")
    assert done.exit_code == 0, done.stderr
    assert "pbe, r2scan" in done.stdout
    assert "reference energies of r2scan" in potentials("inspect", "both.potential").stdout
    refused = potentials("predict", "both.potential", "builtin:ethanol@:2")
    assert refused.exit_code == 2
    assert "choose one of pbe, r2scan as head" in " ".join(refused.stderr.split())
    for command in ("predict", "relax", "md"):
        structures = "builtin:ethanol" if command == "md" else "builtin:ethanol@:1"
        steps = [] if command == "predict" else ["--steps", "2"]
        done = potentials(command, "both.potential", structures, "--head", "pbe", *steps)
        assert done.exit_code == 0, done.stderr
    tested = potentials("test", "both.potential", "builtin:ethanol@:3", "--head", "pbe")
    assert tested.exit_code == 0, tested.stderr
    assert potentials("import", "both.potential", "--head", "pbe", "-o", "one.potential").exit_code == 0
    assert "reference energies of" not in potentials("inspect", "one.potential").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.model"], "missing.model: no such file"),
        (["two.model", "--head", "hf"], "no head hf; its heads are pbe, r2scan"),
        (["two.model", "--head", "pbe", "-o", "taken.potential"], "taken.potential exists"),
        (["two.model", "--head", "pbe", "-o", "two.model"], "also an input"),
        (["two.model", "--head", "pbe", "-o", "nowhere/a.potential"], "does not exist"),
    ],
)
def test_bad_input(potentials, folder, arguments, message):
    (folder / "taken.potential").write_bytes(b"mine")
    done = potentials("import", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert (folder / "taken.potential").read_bytes() == b"mine"


def test_an_existing_file_is_replaced_on_request(potentials, folder):
    (folder / "a.potential").write_bytes(b"old")
    done = potentials("import", "two.model", "--head", "pbe", "-o", "a.potential", "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert (folder / "a.potential").read_bytes() != b"old"
