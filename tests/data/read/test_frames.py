"""Reading structures: formats, lists, globs, slices, built-in sets, and every way it can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from potentials.data.builtin import builtin_path
from potentials.data.read import Frame, frame_list, frames, iter_frames, read_frames, streaming
from potentials.errors import DataError

Write = Callable[[str, list[Atoms]], str]


@pytest.mark.parametrize("name", ["a.xyz", "a.extxyz", "a.xyz.gz", "a.traj", "a.db", "a.json"])
def test_formats(name: str, write: Write, molecules: list[Atoms]) -> None:
    frames = read_frames(write(name, molecules))
    assert [frame.index for frame in frames] == list(range(12))
    for frame, atoms in zip(frames, molecules, strict=True):
        np.testing.assert_allclose(frame.atoms.positions, atoms.positions, atol=1e-7)
        assert frame.atoms.get_chemical_formula() == atoms.get_chemical_formula()
        assert frame.atoms.calc.results["energy"] == pytest.approx(atoms.calc.results["energy"])


def test_a_format_of_one_structure(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "POSCAR", Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[3, 3, 3], pbc=True))
    assert [frame.index for frame in read_frames(str(tmp_path / "POSCAR"))] == [0]
    with pytest.raises(DataError, match=r"selects no frame: the file has one frame \(0\)"):
        read_frames(str(tmp_path / "POSCAR@1:"))


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.db"])
@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("3", [3]), ("-1", [11]), (":3", [0, 1, 2]), ("8:", [8, 9, 10, 11]), ("1:8:3", [1, 4, 7]),
        ("-2:", [10, 11]), ("::-4", [11, 7, 3]), ("9:99", [9, 10, 11]), (":", list(range(12))),
    ],
)  # fmt: skip
def test_slices_keep_the_numbers_of_the_file(
    name: str, selection: str, expected: list[int], write: Write, molecules: list[Atoms]
) -> None:
    frames = read_frames(f"{write(name, molecules)}@{selection}")
    assert [frame.index for frame in frames] == expected
    for frame in frames:
        np.testing.assert_allclose(frame.atoms.positions, molecules[frame.index].positions, atol=1e-7)


def test_database_selection(write: Write, molecules: list[Atoms]) -> None:
    frames = read_frames(f"{write('a.db', molecules)}@natoms<4")
    assert {frame.atoms.get_chemical_formula() for frame in frames} == {"H2O"}
    assert len(frames) == 4


def test_lists_keep_their_order_and_globs_are_sorted(write: Write, molecules: list[Atoms], tmp_path: Path) -> None:
    for name in ("b.xyz", "c.xyz", "a.xyz"):
        write(name, molecules[:2])
    last = write("0.traj", molecules[:1])
    frames = read_frames([str(tmp_path / "*.xyz"), last])
    assert [Path(frame.file).name for frame in frames] == ["a.xyz"] * 2 + ["b.xyz"] * 2 + ["c.xyz"] * 2 + ["0.traj"]
    sliced = read_frames(str(tmp_path / "*.xyz@1"))
    assert [(Path(frame.file).name, frame.index) for frame in sliced] == [("a.xyz", 1), ("b.xyz", 1), ("c.xyz", 1)]


def test_a_file_name_with_an_at_sign_or_brackets(write: Write, molecules: list[Atoms]) -> None:
    assert len(read_frames(write("a@b.xyz", molecules))) == 12
    assert len(read_frames(write("a[1].xyz", molecules) + "@:3")) == 3


def test_builtin_sets() -> None:
    frames = read_frames("builtin:copper@:4")
    assert [str(frame) for frame in frames] == [f"builtin:copper, frame {i}" for i in range(4)]
    assert frames[2].atoms == ase.io.read(builtin_path("copper"), 2)


def test_slices_of_one_file_may_be_listed_but_not_overlap(write: Write, molecules: list[Atoms], tmp_path: Path) -> None:
    path = write("a.xyz", molecules)
    assert [frame.index for frame in read_frames([f"{path}@:2", f"{path}@5:7"])] == [0, 1, 5, 6]
    with pytest.raises(DataError, match=r"a\.xyz, frame 1 is listed twice"):
        read_frames([f"{path}@:2", f"{path}@1:7"])
    with pytest.raises(DataError, match=r"a\.xyz, frame 0 is listed twice \(the second time by \".*\*\.xyz\"\)"):
        read_frames([path, str(tmp_path / "*.xyz")])


def test_missing_file_names_the_nearest(write: Write, molecules: list[Atoms], tmp_path: Path) -> None:
    write("train_300K.xyz", molecules)
    with pytest.raises(DataError, match=r'train_300k\.xyz: no such file; did you mean ".*/train_300K\.xyz"\?'):
        read_frames(str(tmp_path / "train_300k.xyz"))
    with pytest.raises(DataError, match=r": no such file; the folder .*/nowhere does not exist"):
        read_frames(str(tmp_path / "nowhere" / "a.xyz"))


def test_unknown_builtin_set() -> None:
    with pytest.raises(DataError, match=r'no built-in data set "etanol".*did you mean "ethanol"'):
        read_frames("builtin:etanol")


def test_glob_without_a_match(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'no file matches ".*\*\.xyz"'):
        read_frames(str(tmp_path / "*.xyz"))


def test_empty_list() -> None:
    with pytest.raises(DataError, match="the list of files is empty; expected at least one file"):
        read_frames([])


@pytest.mark.parametrize("name", ["~no-such-user/a.xyz", "a" * 300, f"{'a' * 300}/b.xyz", "a" * 300 + "@0"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_frames(name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xyz", "", r"a\.xyz is empty"),
        ("a.xyz", "\n\n", r"a\.xyz contains no structure"),
        ("a.xyz", "hello\nworld\n", r"cannot read .*a\.xyz; ASE reports: XYZError: .*Expected xyz header"),
        ("a.xyz", "2\n\nH 0 0 0\n", r"a\.xyz, frame 0: expected 2 atoms, but the file ends after 1"),
        ("a.foo", "hello\n", r"cannot read .*a\.foo: format not recognized by ASE"),
        ("a.traj", "hello\n", r"cannot read .*a\.traj; ASE reports: "),
        ("a.xyz", "1\n\nX 0 0 0\n", r"a\.xyz, frame 0: the structure has atoms without an element \(X\); assign"),
        ("a.xyz", "0\n\n", r"a\.xyz, frame 0: the structure has no atoms"),
        ("a.xyz", "-5\n\n", "frame 0: expected a number of atoms, got -5"),
        (
            "a.xyz",
            "1\n\nH 0 0 0\n999999999\n\nH 0 0 0\n",
            "frame 1: expected 999999999 atoms, but the file ends after 1",
        ),
        pytest.param(
            "a.xyz", f"{'9' * 40}\n\n", "expected more than 10+ atoms, but the file ends after 0", id="digits"
        ),
        ("a.xyz", "1\nProperties=species:S:1:pos:R:999999999\nH 0\n", "declares 1000000000 columns; at most 10000"),
        ("a.xyz", "1\nProperties=species:S:1:pos:R:'9_9'999\\9\nH 0\n", "declares 999999[0-9]* columns|at most 10000"),
        pytest.param(
            "a.xyz", f"1\nProperties={':'.join(['a:R:999'] * 2000)}\nH 0\n", "declares 1998000 columns", id="columns"
        ),
        ("a.xyz", "\n1\n\nH 0 0 0\n", "begins with a blank line"),
        ("a.xyz", "1\n\nH 0 0 0\n\n1\n\nH 0 0 1\n", "blank line after frame 0"),
    ],
)
def test_unusable_files(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_frames(str(tmp_path / name))


def test_blank_lines_at_the_end_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n1\n\nH 0 0 1\n\n \n")
    assert len(read_frames(str(tmp_path / "a.xyz"))) == 2


@pytest.mark.parametrize("selection", ["20", "12:", "-20", "5:5"])
def test_slice_out_of_range(selection: str, write: Write, molecules: list[Atoms]) -> None:
    with pytest.raises(DataError, match=rf'a\.xyz@{selection}" selects no frame: the file has 12 frames \(0 to 11\)'):
        read_frames(f"{write('a.xyz', molecules)}@{selection}")


def test_nonsense_after_the_at_sign(write: Write, molecules: list[Atoms]) -> None:
    with pytest.raises(DataError, match='invalid selection "@first"; expected a frame number or a slice'):
        read_frames(f"{write('a.xyz', molecules)}@first")


def test_frame_list_groups_by_file() -> None:
    frames = [Frame(Atoms("H"), file, index) for file, index in (("a.xyz", 1), ("a.xyz", 7), ("b.xyz", 0))]
    assert frame_list(frames) == "3 frames (a.xyz: 1, 7; b.xyz: 0)"
    assert frame_list(frames, limit=1) == "3 frames (a.xyz: 1, ...)"
    assert frame_list(frames[:1]) == "1 frame (a.xyz: 1)"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("rows", "line", "message"),
    [
        (
            ("H 0 0 0 1.5 1 2 3", "H 0 0 1 1 2 3"),
            6,
            "has 8 columns, but Properties=.* declares 7; declare every column",
        ),
        (("H 0 0 0 1 2 3", "H 0 0 1 1 2 3 9"), 7, "has 8 columns, but Properties=.* declares 7"),
        (("H 0 0 0 1 2 3", "H 0 0 1 1 2"), 7, "has 6 columns, but Properties=.* declares 7; complete the row"),
    ],
)
def test_rows_have_the_columns_that_are_declared(
    rows: tuple[str, str], line: int, message: str, streamed: bool, tmp_path: Path
) -> None:
    """An undeclared column between positions and forces would shift the forces; the second of two frames has it."""
    comment = "Properties=species:S:1:pos:R:3:forces:R:3 energy=-1"
    good = f"1\n{comment}\nH 0 0 0 1 2 3\n"
    (tmp_path / "a.xyz").write_text(good + f"2\n{comment}\n" + "\n".join(rows) + "\n")
    source = str(tmp_path / "a.xyz")
    with pytest.raises(DataError, match=rf"a\.xyz, frame 1: line {line} {message}"):
        _ = list(iter_frames(source)) if streamed else read_frames(source)


def test_columns_are_those_of_each_frame_and_quotes_do_not_matter(tmp_path: Path) -> None:
    frames = ("1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n", '1\nProperties="species:S:1:pos:R:3:q:R:1"\nH 0 0 0 2\n')
    (tmp_path / "a.xyz").write_text("".join(frames) + '1\nsaid="no Properties=x here"\nH 0 0 0\n')
    assert [frame.atoms.arrays.get("q") for frame in read_frames(str(tmp_path / "a.xyz"))] == [None, [2.0], None]


@pytest.mark.parametrize("read", [read_frames, lambda files: list(iter_frames(files))])
def test_an_error_of_ours_is_not_one_of_the_file(
    read: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, path: str, last: int | None) -> None:
        raise ValueError("a mistake in the program")

    ase.io.write(tmp_path / "a.xyz", Atoms("H"))
    for module in (frames, streaming):
        monkeypatch.setattr(module, "check_extxyz", broken)
    with pytest.raises(ValueError, match="a mistake in the program"):
        read(str(tmp_path / "a.xyz"))
