"""Outputs that would destroy what is read, or cannot be written, are refused before anything is done."""

import os
from pathlib import Path

import pytest

from potentials.errors import DataError
from potentials.outputs import check_output, check_outputs


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "a.xyz"
    file.write_text("frames")
    (tmp_path / "folder").mkdir()
    (tmp_path / "symbolic.xyz").symlink_to(file)
    os.link(file, tmp_path / "hard.xyz")
    (tmp_path / "linked").symlink_to(tmp_path)
    return file


@pytest.mark.parametrize("name", ["a.xyz", "symbolic.xyz", "hard.xyz", "folder/../a.xyz", "linked/a.xyz"])
@pytest.mark.parametrize("given", ["a.xyz", "symbolic.xyz", "linked/hard.xyz"])
def test_every_name_of_an_input_is_recognized(source: Path, name: str, given: str) -> None:
    with pytest.raises(DataError, match="is also an input"):
        check_output(Path(name), ["builtin:copper", "missing.xyz", given])
    with pytest.raises(DataError, match="is also an input"):
        check_output(source.parent / name, [given])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/a.xyz", "does not exist"),
        ("a.xyz/b.xyz", "does not exist"),
        ("folder", "is a folder"),
        ("x" * 300, "cannot be written"),
    ],
)
def test_places_where_no_file_can_be(source: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_output(Path(name))


def test_folders_without_permission(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "folder")
    with pytest.raises(DataError, match="no permission"):
        check_output(Path("folder/b.xyz"))
    check_output(Path("b.xyz"), ["a.xyz"])


def test_two_outputs_are_two_files(source: Path) -> None:
    check_outputs([Path("b.json"), None, Path("b.csv")], ["a.xyz"])
    with pytest.raises(DataError, match="two outputs"):
        check_outputs([Path("b.json"), source.parent / "b.json"])
