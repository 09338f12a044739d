"""Whatever a structure holds, extended XYZ of it can be read, and gives back what was not named as lost."""

import io
import logging
import math
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, Hookean
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from potentials.data.write import frame_text, write_structures

COUNT = 3
numbers = st.integers() | st.floats() | st.booleans() | st.none()
texts = st.text() | st.sampled_from(
    ["", "T", "false", "0012", "nan", "1e5", "a b", "_JSON [1", 'say "hi"', "C:\\temp", "a\nb"]
)
json_values = st.recursive(
    numbers | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
kinds = (
    arrays.boolean_dtypes()
    | arrays.integer_dtypes()
    | arrays.unsigned_integer_dtypes()
    | arrays.floating_dtypes(sizes=[32, 64])
)
any_array = arrays.arrays(kinds, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
atom_arrays = arrays.arrays(
    kinds | arrays.unicode_string_dtypes(max_len=3),
    st.sampled_from([(COUNT,), (COUNT, 1), (COUNT, 2), (COUNT, 3, 3), (COUNT, 0), (COUNT, 2, 1, 2)]),
)
keys = st.text(min_size=1) | st.sampled_from(
    [
        "energy",
        "stress",
        "virial",
        "Lattice",
        "pbc",
        "Properties",
        "uid",
        "a b",
        'a"b',
        "a=b",
        "charge",
        "forces",
        "note",
    ]
)
columns = st.text(min_size=1) | st.sampled_from(
    ["charge", "charges", "pos", "Z", "species", "a", "a0", "move_mask", "tags"]
)


def is_given_back(read: Any, written: Any) -> bool:
    """Sequences as arrays or lists, numbers to the digits of their type, everything else exactly."""
    if isinstance(written, np.ndarray) and written.ndim == 0:
        written = written[()]
    if isinstance(written, dict):
        return (
            isinstance(read, dict)
            and read.keys() == written.keys()
            and all(is_given_back(read[key], value) for key, value in written.items())
        )
    if isinstance(written, list | tuple) or (isinstance(written, np.ndarray) and written.ndim):
        if not isinstance(read, list | tuple | np.ndarray) or len(read) != len(written):
            return False
        return all(is_given_back(one, other) for one, other in zip(read, written, strict=True))
    if written is None or isinstance(written, str):
        return type(read) is type(written) and read == written if written is None else str(read) == written
    if isinstance(written, bool | np.bool_):
        return isinstance(read, bool | np.bool_) and bool(read) == bool(written)
    if isinstance(read, str | bool | np.bool_ | list | dict) or read is None:
        return False
    if isinstance(written, np.floating):
        read = written.dtype.type(read)
    return (math.isnan(read) and math.isnan(written)) or read == written or math.isclose(read, written, rel_tol=1e-14)


def read_frames(text: str) -> list[Atoms]:
    """The frames of a file of this text, and one more that follows it."""
    after, _ = frame_text(Atoms("He", info={"last": True}))
    return ase.io.read(io.StringIO(text + after), index=":", format="extxyz")


@settings(max_examples=300, deadline=None)
@example(info={"stress": np.zeros((3, 3), dtype=bool)})
@given(info=st.dictionaries(keys, json_values | any_array, max_size=4))
def test_info_comes_back_or_is_named(info: dict[str, Any]) -> None:
    atoms = Atoms("H3", np.arange(9.0).reshape(3, 3), info=dict(info))
    text, losses = frame_text(atoms)
    first, last = read_frames(text)
    assert last.info == {"last": True}
    assert first.pbc.tolist() == [False] * 3
    assert not first.cell.any()
    np.testing.assert_array_equal(first.positions, atoms.positions)
    found = {**first.info, **({} if first.calc is None else first.calc.results)}
    lost = {loss.key for loss in losses}
    assert lost.isdisjoint(found)
    for key, value in info.items():
        if key not in lost:
            if key == "stress":
                value = np.asarray(value)
                value = value if value.shape == (6,) else value.ravel()[[0, 4, 8, 5, 2, 1]]
            assert is_given_back(found[key], value), key


@settings(max_examples=200, deadline=None)
@given(columns=st.dictionaries(columns, atom_arrays, max_size=4))
def test_arrays_come_back_or_are_named(columns: dict[str, np.ndarray]) -> None:
    atoms = Atoms("H3", np.arange(9.0).reshape(3, 3))
    atoms.arrays.update(columns)
    text, losses = frame_text(atoms)
    first, last = read_frames(text)
    assert last.info == {"last": True}
    assert first.numbers.tolist() == [1] * 3
    assert not first.info
    np.testing.assert_array_equal(first.positions, atoms.positions)
    found = {**first.arrays, **({} if first.calc is None else first.calc.results)}
    lost = {loss.key: loss.reason for loss in losses}
    for key, array in columns.items():
        if "becomes" in lost.get(key, ""):
            flat = found[key].reshape(array.shape)
            np.testing.assert_allclose(flat, array, rtol=1e-14, atol=1e-8) if array.dtype.kind in "iuf" else None
        elif key not in lost and array.dtype.kind in "iuf":
            assert found[key].shape == array.shape
            np.testing.assert_allclose(found[key], array, rtol=1e-14, atol=1e-8)
        elif key not in lost:
            assert (found[key] == array).all()


def test_values_of_every_kind_are_kept() -> None:
    info = {
        "empty": "",
        "two lines": "first\nsecond",
        "ends a line": "rattled\n",
        "digits": "0012",
        "truth": "T",
        "tab": "a\tb",
        "path": "C:\\temp\\new",
        "quotes": "he said \"a=b\" {c} 'd'",
        "settings": {"encut": 520, "kpts": [2, 2, 2], "name": "PBE\n"},
        "names": ["a b", "", "3"],
        "none": None,
        "unicode": "Ångström 你好",
        "undecodable": "m\udcff",
        "large": 10**30,
        "one": np.array([5.0]),
        "matrix": np.arange(4.0).reshape(2, 2),
        "numbers": np.array([np.int64(3), np.int64(4)]),
        "nested": {"array": np.arange(3)},
    }
    text, losses = frame_text(Atoms("H", info=dict(info)))
    assert not losses
    (first, _) = read_frames(text)
    for key, value in info.items():
        assert is_given_back(first.info[key], value), key


def test_tensors_become_columns() -> None:
    atoms = Atoms("H2")
    atoms.arrays["bec"] = np.arange(18.0).reshape(2, 3, 3)
    text, losses = frame_text(atoms)
    assert [str(loss) for loss in losses] == ['array "bec" (its shape [2, 3, 3] becomes 9 columns)']
    np.testing.assert_array_equal(read_frames(text)[0].arrays["bec"], np.arange(18.0).reshape(2, 9))


@pytest.mark.parametrize("key", ["Lattice", "properties", "pbc", 3, "complex", "object", "virial"])
def test_what_cannot_be_held_is_named(key: Any) -> None:
    value = {"complex": 1 + 2j, "object": object(), "virial": "T T"}.get(key, "9 0 0 0 9 0 0 0 9")
    text, losses = frame_text(Atoms("H", info={key: value, "kept": 1}))
    assert [loss.key for loss in losses] == [str(key)]
    assert read_frames(text)[0].info == {"kept": 1}


def test_results_win_over_entries_of_their_name() -> None:
    atoms = Atoms("H", info={"energy": 2.0})
    atoms.arrays["forces"] = np.ones((1, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((1, 3)), stress=np.arange(6.0))
    text, losses = frame_text(atoms)
    assert [(loss.place, loss.key) for loss in losses] == [("info", "energy"), ("arrays", "forces")]
    (first, _) = read_frames(text)
    assert first.get_potential_energy() == 1.0
    assert not first.get_forces().any()
    np.testing.assert_array_equal(first.get_stress(), np.arange(6.0))


def test_constraints(tmp_path: Path) -> None:
    atoms = Atoms("H3", np.arange(9.0).reshape(3, 3))
    atoms.set_constraint([FixAtoms([1]), Hookean(0, 1, 1.0, 1.0)])
    text, losses = frame_text(atoms)
    assert [(loss.place, loss.key) for loss in losses] == [("constraints", "Hookean")]
    assert read_frames(text)[0].constraints[0].index.tolist() == [1]


def test_each_loss_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [Atoms("H", info={"object": object(), "kept": k}) for k in range(3)]
    with caplog.at_level(logging.WARNING):
        assert write_structures(tmp_path / "a.xyz", frames) == 3
    (record,) = caplog.records
    assert "a.xyz: extended XYZ cannot store these entries exactly" in record.getMessage()
    assert 'info "object"' in record.getMessage()
    assert [atoms.info for atoms in ase.io.read(tmp_path / "a.xyz", ":")] == [{"kept": k} for k in range(3)]
