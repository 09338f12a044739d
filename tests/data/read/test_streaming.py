"""Frames one after the other are those that are read at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from potentials.data.read import count_frames, iter_frames, read_frames, streaming
from potentials.errors import DataError

Write = Callable[[str, list[Atoms]], str]


@pytest.mark.parametrize("name", ["a.xyz", "a.xyz.gz", "a.traj", "a.db", "a.json", "a.aselmdb"])
@pytest.mark.parametrize("selection", ["", "@3", "@-1", "@:3", "@8:", "@1:8:3", "@-2:", "@::-4", "@9:99"])
def test_the_same_frames(
    name: str, selection: str, write: Write, molecules: list[Atoms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_FRAMES_AT_ONCE", 5)
    path = write(name, molecules) + selection
    expected = read_frames(path)
    found = list(iter_frames([path]))
    assert [str(frame) for frame in found] == [str(frame) for frame in expected]
    assert count_frames([path]) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.atoms.positions, theirs.atoms.positions)
        assert ours.atoms.calc.results["energy"] == theirs.atoms.calc.results["energy"]


def test_lists_and_globs(write: Write, molecules: list[Atoms], tmp_path: Path) -> None:
    write("b.xyz", molecules[:2])
    write("a.db", molecules[2:5])
    files = [str(tmp_path / "*.*"), "builtin:copper@:2"]
    assert [str(frame) for frame in iter_frames(files)] == [str(frame) for frame in read_frames(files)]
    with pytest.raises(DataError, match=r"b\.xyz, frame 1 is listed twice"):
        list(iter_frames([str(tmp_path / "b.xyz"), str(tmp_path / "b.xyz@1:")]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("hello\nworld\n", r"cannot read .*a\.xyz; ASE reports: XYZError: .*Expected xyz header"),
        ("1\n\nH 0 0 0\n2\n\nH 0 0 0\n", r"a\.xyz, frame 1: expected 2 atoms, but the file ends after 1"),
        ("1\n\nX 0 0 0\n", r"a\.xyz, frame 0: the structure has atoms without an element"),
        ("1\n\nH 0 0 0\n\n1\n\nH 0 0 1\n", "blank line after frame 0"),
        ("\n\n", "contains no structure"),
    ],
)
def test_unusable_files(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(content)
    with pytest.raises(DataError, match=message):
        list(iter_frames([str(tmp_path / "a.xyz")]))


def test_no_frame(write: Write, molecules: list[Atoms]) -> None:
    with pytest.raises(DataError, match=r"a\.xyz@12:\" selects no frame: the file has 12 frames"):
        list(iter_frames([write("a.xyz", molecules) + "@12:"]))
