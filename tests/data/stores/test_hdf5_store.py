"""Our HDF5 layout: everything comes back, h5py alone reads it, and nothing else passes for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import Atoms
from frame_equality import assert_same_frame

from potentials.data.conversion import hdf5_writer
from potentials.data.read import read_frames
from potentials.data.stores import open_store
from potentials.errors import DataError

Write = Callable[[str, Sequence[Atoms]], str]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_frames_come_back_to_the_bit(
    block: int, write_hdf5: Write, varied: list[Atoms], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_writer, "_BLOCK", block)
    store = open_store(write_hdf5("a.h5", varied))
    assert len(store) == len(varied)
    assert store.num_atoms.tolist() == [len(atoms) for atoms in varied]
    for number in np.random.default_rng(1).permutation(len(varied)):
        assert_same_number_types = {**varied[number].info, "count": float(varied[number].info["count"])}
        expected = varied[number].copy()
        expected.info, expected.calc = assert_same_number_types, varied[number].calc
        assert_same_frame(store.read(int(number)), expected)
    for record, atoms in zip(store.records(3, 17), varied[3:17], strict=True):
        np.testing.assert_array_equal(record.positions, atoms.positions)
        assert record.info["config_type"] == atoms.info["config_type"]


def test_h5py_alone_reads_it(write_hdf5: Write, varied: list[Atoms]) -> None:
    with h5py.File(write_hdf5("a.h5", varied), "r") as file:
        offsets = file["offsets"][:]
        for number, atoms in enumerate(varied):
            rows = slice(offsets[number], offsets[number + 1])
            np.testing.assert_array_equal(file["numbers"][rows], atoms.numbers)
            np.testing.assert_array_equal(file["positions"][rows], atoms.positions)
            np.testing.assert_array_equal(file["cell"][number], atoms.cell.array)
            assert file["pbc"][number].tolist() == atoms.pbc.tolist()
            assert file["info/config_type"].asstr()[number] == atoms.info["config_type"]
            assert bool(file["present/results/energy"][number]) == (atoms.calc is not None)
            if atoms.calc is not None:
                assert file["results/energy"][number] == atoms.calc.results["energy"]
                np.testing.assert_array_equal(file["results/forces"][rows], atoms.calc.results["forces"])
            else:
                assert np.isnan(file["results/forces"][rows]).all()
        assert "config_type" not in file["present/info"]
        assert file["results/forces"].attrs["per"] == "atom"
        assert file["results/stress"].attrs["per"] == "frame"


def test_what_h5py_alone_writes_is_read(tmp_path: Path) -> None:
    """The layout as the documentation describes it, with contiguous datasets."""
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.attrs["format"], file.attrs["version"] = "potentials frames", 1
        file["offsets"] = [0, 1, 4]
        file["numbers"] = [2, 8, 1, 1]
        file["positions"] = np.arange(12.0).reshape(4, 3)
        file["cell"] = np.zeros((2, 3, 3))
        file["pbc"] = np.zeros((2, 3), dtype=bool)
        file["results/energy"] = [-1.0, -2.5]
        file["results/energy"].attrs["per"] = "frame"
    frames = read_frames(str(tmp_path / "a.hdf5"))
    assert [str(frame.atoms.symbols) for frame in frames] == ["He", "OH2"]
    assert frames[1].atoms.get_potential_energy() == -2.5
    np.testing.assert_array_equal(frames[1].atoms.positions, np.arange(3.0, 12.0).reshape(3, 3))


@pytest.mark.parametrize(
    ("selection", "expected"), [("3", [3]), ("-1", [29]), (":2", [0, 1]), ("-2:", [28, 29]), ("1:9:4", [1, 5])]
)
def test_slices(selection: str, expected: list[int], write_hdf5: Write, varied: list[Atoms]) -> None:
    path = write_hdf5("a.h5", varied)
    assert [frame.index for frame in read_frames(f"{path}@{selection}")] == expected
    with pytest.raises(DataError, match=r"a\.h5@30:\" selects no frame: the file has 30 frames \(0 to 29\)"):
        read_frames(f"{path}@30:")


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("a", [{"b": 1}, 1], r'source, frame 0: HDF5 cannot represent "a" of the info: a value of type dict'),
        ("a", [None, 1], "a value of type NoneType"),
        ("a", [[[1], [1, 2]], 1], "list with rows of different lengths"),
        ("a", [1, "one"], "frame 1: .*values of different types in different frames"),
        ("a", [[1.0, 2.0], [1.0, 2.0, 3.0]], r"frame 1: .*shape \(3,\), but \(2,\) in earlier frames"),
        ("a", [2**60 + 1, 0.5], r"integers beyond 2\^53"),
        ("a/b", [1, 1], 'the name cannot be "." or contain "/"'),
    ],
)
def test_what_it_cannot_hold(key: str, values: list, message: str, write_hdf5: Write) -> None:
    with pytest.raises(DataError, match=message):
        write_hdf5("a.h5", [Atoms("H", info={key: value}) for value in values])


def test_unusable_files(tmp_path: Path, write_hdf5: Write, varied: list[Atoms]) -> None:
    good = Path(write_hdf5("good.h5", varied)).read_bytes()
    bad = tmp_path / "bad.h5"
    for content, message in (
        (b"hello" * 100, "is not an HDF5 file"),
        (good[: len(good) // 2], "cannot be read: .*truncated"),
    ):
        bad.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_store(bad)
    with h5py.File(bad, "w") as file:
        file["x"] = [1]
    with pytest.raises(DataError, match=r'of another layout: its attribute "format" is None'):
        read_frames(str(bad))
    for change, message in (
        (lambda file: file.attrs.__setitem__("version", 2), "has layout version 2"),
        (lambda file: file["positions"].resize(3, axis=0), "/positions has 3 rows, expected"),
        (lambda file: file.__delitem__("cell"), "cell"),
        (lambda file: file["offsets"].__setitem__(1, 10**6), "must start with 0 and not decrease"),
    ):
        bad.write_bytes(good)
        with h5py.File(bad, "a") as file:
            change(file)
        with pytest.raises(DataError, match=message):
            open_store(bad)
