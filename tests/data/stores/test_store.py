"""What holds for every store: processes, pickles, read-only folders, files that change."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from potentials.data.stores import FrameStore, open_store
from potentials.errors import DataError

Write = Callable[[str, Sequence[Atoms]], str]


@pytest.fixture(params=["a.h5", "a.aselmdb"])
def path(request: pytest.FixtureRequest, write_hdf5: Write, write_lmdb: Write, varied: list[Atoms]) -> str:
    return (write_hdf5 if request.param == "a.h5" else write_lmdb)(request.param, varied)


def positions(store: FrameStore, number: int) -> np.ndarray:
    return store.read(number).positions


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_too(method: str, path: str, varied: list[Atoms]) -> None:
    store = open_store(path)
    store.read(0)  # open here before the others start
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap(positions, [(store, number) for number in range(30)])
        np.testing.assert_array_equal(positions(store, 1), varied[1].positions)
    for ours, atoms in zip(found, varied, strict=True):
        np.testing.assert_array_equal(ours, atoms.positions)


def test_two_stores_of_one_file(path: str, varied: list[Atoms]) -> None:
    first, second = open_store(path), pickle.loads(pickle.dumps(open_store(path)))
    for number in range(30):
        np.testing.assert_array_equal(positions(first, number), positions(second, number))


def test_a_folder_that_is_only_read(path: str) -> None:
    folder = Path(path).parent
    before = {entry: entry.stat().st_mtime_ns for entry in folder.iterdir() if not entry.name.endswith("-lock")}
    for entry in folder.glob("*-lock"):
        entry.unlink()
    Path(path).chmod(0o444)
    folder.chmod(0o555)
    try:
        open_store(path).read(3)
        assert {entry: entry.stat().st_mtime_ns for entry in folder.iterdir()} == before
    finally:
        folder.chmod(0o755)


def test_numbers_out_of_range(path: str) -> None:
    store = open_store(path)
    for number in (-1, 30):
        with pytest.raises(IndexError, match=f"has 30 frames; there is no frame {number}"):
            store.read(number)


def test_a_file_that_changes_or_vanishes(path: str) -> None:
    store = pickle.loads(pickle.dumps(open_store(path)))
    state = Path(path).stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    with pytest.raises(DataError, match="changed while in use"):
        store.check_unchanged()
    Path(path).unlink()
    with pytest.raises(DataError, match="can no longer be read"):
        store.check_unchanged()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_store(path)
