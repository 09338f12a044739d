"""`.aselmdb` against ase-db-backends, which wrote it and reads it by other means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ase.db
import lmdb
import numpy as np
import pytest
from ase import Atoms
from frame_equality import assert_same_frame

from potentials.data.read import read_frames
from potentials.data.stores import handles, open_store
from potentials.errors import DataError

Write = Callable[[str, Sequence[Atoms]], str]


def as_ase_reads(path: str) -> list[Atoms]:
    handles.release_handles()
    with ase.db.connect(path, readonly=True) as database:
        rows = list(database.select())
    found = []
    for row in rows:
        atoms = row.toatoms()
        atoms.info.update(row.key_value_pairs)
        atoms.info.update(row.data)
        found.append(atoms)
    return found


def test_frames_are_those_ase_reads(write_lmdb: Write, varied: list[Atoms]) -> None:
    path = write_lmdb("a.aselmdb", varied)
    expected = as_ase_reads(path)
    store = open_store(path)
    assert len(store) == len(varied)
    assert store.num_atoms.tolist() == [len(atoms) for atoms in varied]
    for number, (atoms, written) in enumerate(zip(expected, varied, strict=True)):
        assert_same_frame(store.read(number), atoms)
        np.testing.assert_array_equal(store.read(number).positions, written.positions)
    for frame, atoms in zip(read_frames(f"{path}@2:9"), expected[2:9], strict=True):
        assert_same_frame(frame.atoms, atoms)


def test_unusual_values(tmp_path: Path) -> None:
    """NaN, complex numbers, nested data, key-value pairs."""
    with ase.db.connect(tmp_path / "a.aselmdb") as database:
        database.write(
            Atoms("H2", [[0, 0, 0], [0, 0, 1]], cell=[3, 4, 5], pbc=[True, False, True], magmoms=[1.0, -1.0]),
            key_value_pairs={"weight": 2, "name": "x"},
            data={"nan": np.array([np.nan, 1.0]), "complex": np.array([1j, 2.0]), "nested": {"a": [1, {"b": 2.5}]}},
        )
    (expected,) = as_ase_reads(str(tmp_path / "a.aselmdb"))
    (frame,) = read_frames(str(tmp_path / "a.aselmdb"))
    assert_same_frame(frame.atoms, expected)
    assert np.isnan(frame.atoms.info["nan"][0])
    assert frame.atoms.info["weight"] == 2
    assert frame.atoms.info["nested"] == {"a": [1, {"b": 2.5}]}


def test_deleted_rows_leave_no_gap(write_lmdb: Write, varied: list[Atoms]) -> None:
    path = write_lmdb("a.aselmdb", varied)
    with ase.db.connect(path) as database:
        database.delete([1, 5, 30])
    kept = [atoms for number, atoms in enumerate(varied, 1) if number not in (1, 5, 30)]
    frames = read_frames(path)
    assert [frame.index for frame in frames] == list(range(27))
    for frame, atoms in zip(frames, kept, strict=True):
        np.testing.assert_array_equal(frame.atoms.positions, atoms.positions)


def test_selections_in_ases_language(write_lmdb: Write, varied: list[Atoms]) -> None:
    path = write_lmdb("a.aselmdb", varied)
    open_store(path)  # which holds the file open
    assert {len(frame.atoms) for frame in read_frames(f"{path}@natoms<5")} == {4}


def test_unusable_files(tmp_path: Path, write_lmdb: Write, varied: list[Atoms]) -> None:
    good = Path(write_lmdb("good.aselmdb", varied)).read_bytes()
    bad = tmp_path / "bad.aselmdb"
    for content, message in (
        (b"hello" * 2000, "is not an LMDB file"),
        (b"", "is empty"),
        (good[:-4096], "is truncated: it has .* bytes, expected"),
    ):
        bad.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_frames(str(bad))
    bad.unlink()
    with lmdb.open(str(bad), subdir=False, lock=False) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"b")
    with pytest.raises(DataError, match="is an LMDB file, but not ASE's"):
        open_store(bad)


def test_a_damaged_row_is_named(tmp_path: Path, write_lmdb: Write, varied: list[Atoms]) -> None:
    path = write_lmdb("a.aselmdb", varied)
    for key, value, message in (
        (b"8", b"nonsense", r"a\.aselmdb, frame 7 cannot be read: error: "),
        (b"8", None, r"a\.aselmdb, frame 7 is missing: there is no row 8"),
    ):
        with lmdb.open(path, subdir=False, lock=False) as environment, environment.begin(write=True) as transaction:
            transaction.put(key, value) if value else transaction.delete(key)
        store = open_store(path)
        store.read(6)
        with pytest.raises(DataError, match=message):
            store.read(7)
        handles.release_handles()


def test_mapped_memory_is_given_back(write_lmdb: Write, varied: list[Atoms], monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(write_lmdb("a.aselmdb", varied))
    handles.release_handles()
    monkeypatch.setattr(handles, "_MOST_MAPPED", 500_000)
    opened = []
    monkeypatch.setattr(store, "_open", lambda: opened.append(1) or type(store)._open(store))
    for number in range(len(store)):
        np.testing.assert_array_equal(store.read(number).positions, varied[number].positions)
    assert 2 < len(opened) < len(store)
