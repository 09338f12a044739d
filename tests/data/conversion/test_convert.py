"""Conversion: nothing lost between formats, all or nothing on the disk, shards."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from frame_equality import assert_same_frame

from potentials.data.conversion import convert as conversion
from potentials.data.conversion.convert import convert
from potentials.data.read import Frame, read_frames
from potentials.data.stores.handles import release_handles
from potentials.errors import DataError

BINARY = [".db", ".aselmdb", ".h5", ".hdf5"]


@pytest.fixture
def source(varied: list[Atoms], tmp_path: Path) -> str:
    """An extxyz file of the varied frames, without what that format cannot hold."""
    for atoms in varied:
        atoms.info["config_type"] = atoms.info["config_type"] or "liquid"
        atoms.info["count"] = float(atoms.info["count"]) + 0.25
    ase.io.write(tmp_path / "source.xyz", varied, format="extxyz")
    return str(tmp_path / "source.xyz")


def frames_of(path: str | Path) -> list[Atoms]:
    return [frame.atoms for frame in read_frames(str(path))]


@pytest.mark.parametrize("suffix", BINARY)
def test_binary_formats_keep_every_bit(suffix: str, source: str, tmp_path: Path) -> None:
    target = tmp_path / f"target{suffix}"
    found = convert([source], target)
    expected = ase.io.read(source, ":")
    assert (found.files, found.frames) == ([target], 30)
    assert found.atoms == sum(map(len, expected))
    assert found.num_bytes == target.stat().st_size
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["source.xyz", target.name])
    for read, atoms in zip(frames_of(target), expected, strict=True):
        assert_same_frame(read, atoms)


@pytest.mark.parametrize("suffix", BINARY)
def test_there_and_back_gives_the_same_text(suffix: str, source: str, tmp_path: Path) -> None:
    convert([source], tmp_path / "first.extxyz")
    convert([str(tmp_path / "first.extxyz")], tmp_path / f"middle{suffix}")
    convert([str(tmp_path / f"middle{suffix}")], tmp_path / "second.extxyz")
    for first, second in zip(frames_of(tmp_path / "first.extxyz"), frames_of(tmp_path / "second.extxyz"), strict=True):
        assert_same_frame(second, first)


@pytest.mark.parametrize("suffix", [".db", ".aselmdb"])
def test_ase_alone_reads_databases(suffix: str, source: str, tmp_path: Path) -> None:
    convert([source], tmp_path / f"a{suffix}")
    with ase.db.connect(tmp_path / f"a{suffix}") as database:
        assert database.count() == 30
        assert {row.natoms for row in database.select("config_type=liquid")} == {5}
        for row, atoms in zip(database.select(), ase.io.read(source, ":"), strict=True):
            read = row.toatoms()
            np.testing.assert_array_equal(read.positions, atoms.positions)
            np.testing.assert_array_equal(read.get_tags(), atoms.get_tags())
            if atoms.calc is not None:
                assert read.get_potential_energy() == atoms.get_potential_energy()
                np.testing.assert_array_equal(read.calc.results["forces"], atoms.calc.results["forces"])


@pytest.mark.parametrize("suffix", BINARY)
def test_unusual_types_come_back(suffix: str, tmp_path: Path) -> None:
    """float32, whole numbers, NaN, a full stress matrix, results ASE does not know, arrays of truth values."""
    random = np.random.default_rng(3)
    atoms = Atoms("OH2", random.normal(size=(3, 3)), cell=np.eye(3) * 9, pbc=[True, True, False])
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results.update(
        energy=np.nan,
        forces=random.normal(size=(3, 3)).astype(np.float32),
        stress=random.normal(size=(3, 3)),
        energies=random.normal(size=3),
        node_energy=random.normal(size=3),
    )
    atoms.arrays["chosen"] = np.array([True, False, True])
    atoms.arrays["initial_magmoms"] = random.normal(size=(3, 3))
    atoms.info |= {"number": "12", "big": 2**60 + 1, "small": np.float32(0.1), "flags": np.array([True, False])}
    source, target = tmp_path / "source.h5", tmp_path / f"target{suffix}"
    writer = conversion.WRITERS[".h5"](source)
    writer.add(Frame(atoms, "here", 0))
    writer.close()
    convert([str(source)], target)
    (read,) = frames_of(target)
    assert_same_frame(read, atoms)
    assert read.calc.results["forces"].dtype == np.float32


def test_extxyz_keeps_texts_of_every_kind(tmp_path: Path) -> None:
    info = {"name": "", "none": None, "text": "12", "lines": "a\nb", "path": "C:\\new", "settings": {"k": [1, "x y"]}}
    writer = conversion.WRITERS[".aselmdb"](tmp_path / "a.aselmdb")
    writer.add(Frame(Atoms("He", info=dict(info)), "here", 0))
    writer.close()
    convert([str(tmp_path / "a.aselmdb")], tmp_path / "a.extxyz")
    assert frames_of(tmp_path / "a.extxyz")[0].info == info


def test_what_extxyz_cannot_hold(tmp_path: Path) -> None:
    for number, (change, message) in enumerate(
        (
            (lambda atoms: atoms.info.update(Lattice="9"), '"Lattice" of the info: its key is reserved'),
            (lambda atoms: atoms.info.update(complex=1j), '"complex" of the info: the format cannot represent'),
            (
                lambda atoms: atoms.calc.results.update(other=1.0),
                '"other" of the calculator results: not supported by the format',
            ),
            (lambda atoms: atoms.set_array("bec", np.ones((1, 3, 3))), '"bec" of the arrays: its shape'),
        )
    ):
        frames = [Atoms("He"), Atoms("He")]
        frames[1].calc = SinglePointCalculator(frames[1], energy=1.0)
        change(frames[1])
        path, target = tmp_path / f"{number}.aselmdb", tmp_path / "a.extxyz"
        writer = conversion.WRITERS[".aselmdb"](path)
        for index, atoms in enumerate(frames):
            writer.add(Frame(atoms, "here", index))
        writer.close()
        with pytest.raises(DataError, match=rf"{number}\.aselmdb, frame 1: extended XYZ cannot represent {message}"):
            convert([str(path)], target)
        assert not target.exists()


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".h5", 'HDF5 cannot represent "nested" of the info: a value of type dict'), (".db", None), (".aselmdb", None)],
)
def test_nested_values(suffix: str, message: str | None, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "a.xyz", Atoms("He", info={"nested": {"a": [1, 2.5], "b": {"c": "x"}}}), format="extxyz")
    if message is None:
        convert([str(tmp_path / "a.xyz")], tmp_path / f"a{suffix}")
        assert frames_of(tmp_path / f"a{suffix}")[0].info == {"nested": {"a": [1, 2.5], "b": {"c": "x"}}}
        return
    with pytest.raises(DataError, match=rf"a\.xyz, frame 0: {message}"):
        convert([str(tmp_path / "a.xyz")], tmp_path / f"a{suffix}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.xyz"]


@pytest.mark.parametrize("suffix", [".extxyz", *BINARY])
def test_all_or_nothing(suffix: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / f"target{suffix}"
    target.write_text("before")
    with pytest.raises(DataError, match="exists; choose another name, or use --overwrite"):
        convert([source], target)
    real = conversion.iter_frames

    def interrupted(files: list[str]) -> Iterator[object]:
        yield from list(real(files))[:20]
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "iter_frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert([source], target, overwrite=True)
    assert target.read_text() == "before"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["source.xyz", target.name])
    monkeypatch.undo()
    convert([source], target, overwrite=True)
    assert len(frames_of(target)) == 30


@pytest.mark.parametrize("suffix", [".aselmdb", ".h5"])
def test_shards_hold_the_frames_in_order(suffix: str, source: str, tmp_path: Path) -> None:
    found = convert([source], tmp_path / f"part{suffix}", shards=4)
    assert [file.name for file in found.files] == [f"part-0000{number}{suffix}" for number in range(4)]
    assert [len(frames_of(file)) for file in found.files] == [7, 8, 7, 8]
    together = frames_of(tmp_path / f"part-*{suffix}")
    for read, atoms in zip(together, ase.io.read(source, ":"), strict=True):
        np.testing.assert_array_equal(read.positions, atoms.positions)
    with pytest.raises(DataError, match=rf"part-00002{suffix} is a shard of another conversion"):
        convert([source], tmp_path / f"part{suffix}", shards=2, overwrite=True)
    with pytest.raises(DataError, match="30 frames are too few for 31 shards"):
        convert([source], tmp_path / f"other{suffix}", shards=31)


def test_a_file_may_replace_its_source(source: str, tmp_path: Path) -> None:
    convert([source], tmp_path / "a.aselmdb")
    before = frames_of(tmp_path / "a.aselmdb")
    convert([f"{tmp_path / 'a.aselmdb'}@::3"], tmp_path / "a.aselmdb", overwrite=True)
    for read, atoms in zip(frames_of(tmp_path / "a.aselmdb"), before[::3], strict=True):
        assert_same_frame(read, atoms)


def test_requests_that_cannot_be(source: str, tmp_path: Path) -> None:
    for target, message in (
        (tmp_path / "a.cif", r"expected a name that ends in \.extxyz, \.xyz, \.db, \.aselmdb, \.h5, \.hdf5"),
        (tmp_path / "nowhere" / "a.h5", "the folder of .* does not exist"),
    ):
        with pytest.raises(DataError, match=message):
            convert([source], target)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".aselmdb", ".h5"])
def test_memory_does_not_grow_with_the_frames(suffix: str, tmp_path: Path, write: Callable[..., str]) -> None:
    random = np.random.default_rng(1)
    peaks = []
    for count in (3000, 12000):
        path = write(f"{count}.xyz", [Atoms("He2", random.normal(size=(2, 3))) for _ in range(count)])
        tracemalloc.start()
        convert([path], tmp_path / f"{count}{suffix}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        release_handles()
    # 9000 frames as ase.Atoms are more than 20 MB.
    assert peaks[1] < peaks[0] + 2e6
