import glob
from pathlib import Path

import pytest

from potentials.config.data import DataConfig
from potentials.config.data.paths import resolve_data_paths

FOLDER = Path("/home/me/configs")


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ("a.xyz", "/home/me/configs/a.xyz"),
        ("./a.xyz", "/home/me/configs/a.xyz"),
        ("sub/a.xyz@:100", "/home/me/configs/sub/a.xyz@:100"),
        ("../data/a*.xyz@0:10:2", "/home/me/data/a*.xyz@0:10:2"),
        ("../../a.xyz", "/home/a.xyz"),
        ("sub/../a.xyz", "/home/me/configs/sub/../a.xyz"),
        ("/data/a.xyz@-1", "/data/a.xyz@-1"),
        ("builtin:ethanol", "builtin:ethanol"),
        ("builtin:ethanol@:5", "builtin:ethanol@:5"),
        ("OUTCAR", "/home/me/configs/OUTCAR"),
    ],
)
def test_names(written, resolved):
    data = DataConfig(
        train=written, validation=[written, "b"], test={"x": written, "y": [written]}, isolated_atoms=written
    )
    result = resolve_data_paths(data, FOLDER)
    assert result.train == resolved
    assert result.validation == [resolved, "/home/me/configs/b"]
    assert result.test == {"x": resolved, "y": [resolved]}
    assert result.isolated_atoms == resolved


def test_numbers_and_nothing_stay():
    data = resolve_data_paths(DataConfig(train="a", validation=0.2, test=5), FOLDER)
    assert (data.validation, data.test, data.isolated_atoms) == (0.2, 5, None)


def test_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/you")
    assert resolve_data_paths(DataConfig(train="~/a.xyz"), FOLDER).train == "/home/you/a.xyz"
    assert resolve_data_paths(DataConfig(train="~nobody-here/a"), FOLDER).train == f"{FOLDER}/~nobody-here/a"


def test_a_glob_finds_files_in_a_folder_with_brackets(tmp_path):
    folder = tmp_path / "run[1]"
    folder.mkdir()
    (folder / "a.xyz").touch()
    found = resolve_data_paths(DataConfig(train="*.xyz"), folder).train
    assert glob.glob(found) == [str(folder / "a.xyz")]  # noqa: PTH207 - the pattern is absolute
