"""The index of a file against its frames, and its life in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.data import chemical_symbols

from potentials.data.findings import Findings
from potentials.data.index import cached_index, frame_index, index_cache
from potentials.data.index.frame_index import gather_index
from potentials.data.label import find_value, holds_isolated_atom
from potentials.data.stores import open_store
from potentials.errors import DataError

KEYS = ("config_type", "energy", "forces")

WriteStore = Callable[[str, Sequence[Atoms]], str]


def quiet(text: str) -> None:
    pass


@pytest.fixture(params=["a.h5", "a.aselmdb"])
def path(
    request: pytest.FixtureRequest, varied: list[Atoms], isolated_atoms: list[Atoms], write_store: WriteStore
) -> str:
    return write_store(request.param, [*varied, *isolated_atoms])


def test_it_says_what_reading_would(path: str) -> None:
    store = open_store(path)
    index = gather_index(store, "config_type", KEYS, quiet)
    for number in range(len(store)):
        atoms = store.read(number)
        assert index.num_atoms[number] == len(atoms)
        symbols = {chemical_symbols[z] for z in index.element_sets[index.element_set_index[number]]}
        assert symbols == set(atoms.get_chemical_symbols())
        assert index.group_names[index.group_index[number]] == atoms.info.get("config_type")
        assert index.periodic[number] == atoms.pbc.all()
        assert index.isolated[number] == holds_isolated_atom(atoms)
        for key in ("energy", "forces", "stress", "tensor", "REF_forces", "tags", "nothing"):
            assert index.has_key(key)[number] == (find_value(atoms, key) is not None), key
    assert index.isolated.sum() == 3
    assert len(index.key_sets) < 10


def test_digests_tell_frames_apart(path: str, write_store: WriteStore, varied: list[Atoms]) -> None:
    before = gather_index(open_store(path), "config_type", KEYS, quiet)
    assert (
        len(np.unique(before.structure_hashes)) == len(np.unique(before.frame_digests, axis=0)) == len(before.num_atoms)
    )
    varied[4].calc.results["forces"][1, 2] += 1e-12
    varied[5].positions[0, 0] += 1e-3
    varied[6].info["config_type"] += "!"
    after = gather_index(open_store(write_store(f"b{Path(path).suffix}", varied)), "config_type", KEYS, quiet)
    changed = (after.frame_digests != before.frame_digests[: len(varied)]).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [4, 5, 6]
    assert np.flatnonzero(after.structure_hashes != before.structure_hashes[: len(varied)]).tolist() == [5]


def test_it_is_made_once(path: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings, passes = Findings(), []
    monkeypatch.setattr(index_cache, "gather_index", lambda *given: passes.append(1) or gather_index(*given))
    first = cached_index(open_store(path), "config_type", KEYS, findings, quiet)
    again = cached_index(open_store(path), "config_type", KEYS, findings, quiet)
    assert len(passes) == 1
    for name, value in vars(first).items():
        np.testing.assert_array_equal(getattr(again, name), value) if isinstance(value, np.ndarray) else None
        assert type(getattr(again, name)) is type(value)
    assert (again.element_sets, again.key_sets, again.group_names) == (
        first.element_sets,
        first.key_sets,
        first.group_names,
    )
    (cache_file,) = own_cache.iterdir()
    assert findings.notes == [f"indexed 33 frames of {path}; the index is stored in {cache_file}"]
    cached_index(open_store(path), "another_key", KEYS, findings, quiet)
    assert len(passes) == 2
    state = Path(path).stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1000))
    cached_index(open_store(path), "config_type", KEYS, findings, quiet)
    assert len(passes) == 3


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_index_is_made_anew(damage: bytes | None, path: str, own_cache: Path) -> None:
    cached_index(open_store(path), "config_type", KEYS, Findings(), quiet)
    (cache_file,) = own_cache.iterdir()
    cache_file.write_bytes(cache_file.read_bytes()[:1000] if damage is None else damage)
    findings = Findings()
    assert len(cached_index(open_store(path), "config_type", KEYS, findings, quiet).num_atoms) == 33
    assert "is damaged and is rebuilt" in findings.notes[0]


def test_a_cache_that_cannot_be_written(path: str, own_cache: Path) -> None:
    own_cache.parent.write_text("a file where the folder should be")
    findings = Findings()
    assert len(cached_index(open_store(path), "config_type", KEYS, findings, quiet).num_atoms) == 33
    assert "the index cannot be stored in" in findings.notes[-1]


def test_long_passes_are_told_of(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_index, "_MIN_FRAMES_FOR_PROGRESS", 10)
    said: list[str] = []
    gather_index(open_store(path), "config_type", KEYS, said.append)
    assert said == [f"{path}: indexing 33 frames (only when a file is first used)"]


def test_frames_without_elements_are_refused(write_store: WriteStore) -> None:
    with pytest.raises(DataError, match=r"a\.h5, frame 1: the structure has atoms without an element"):
        gather_index(open_store(write_store("a.h5", [Atoms("H"), Atoms("X")])), "config_type", KEYS, quiet)
