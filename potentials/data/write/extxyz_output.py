"""Extended XYZ of a frame that reads back with the same entries; entries that cannot be represented are reported.

ASE's writer does not check its output: text with a line break, an array [N, 3, 3] or a key `Lattice` give a file that
cannot be read, and some entries are left out or changed. A value is written in ASE's format if it is read back
unchanged, and otherwise as ASE writes JSON (`_JSON ...`), which can contain any text.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.constraints import FixAtoms, FixCartesian
from ase.io.extxyz import (
    PROPERTY_NAME_MAP,
    SPECIAL_3_3_KEYS,
    key_val_dict_to_str,
    key_val_str_to_dict,
    per_atom_properties,
    per_config_properties,
)
from ase.stress import voigt_6_to_full_3x3_stress

Place = Literal["results", "info", "arrays", "constraints"]

_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.+/-]*", re.ASCII)
_PLAIN_TEXT = re.compile(r"[A-Za-z_][\w.+/:-]*", re.ASCII)
_WORDS = {"t", "f", "true", "false", "nan", "inf", "infinity"}
"""Words, in lower case, that are read as other types."""
_OF_THE_FORMAT = {"lattice", "properties", "pbc"}
_COLUMNS_OF_THE_FORMAT = {"pos", "positions", "species", "symbols", "Z", "numbers", "move_mask"}
_STRUCTURE = ("numbers", "positions")
_STRUCTURE_COLUMNS = {
    "symbols": "symbols",
    "move_mask": "move_mask",
    **{f"{name}{number}": name for name in ("positions", "move_mask") for number in range(3)},
}
_INTEGERS = 2**31
"""ASE reads columns of integers as int32."""
_BESIDE = ("before_it", "after_it")
_MISSING = object()


@dataclass(frozen=True)
class Loss:
    """An entry of a frame that is not read back unchanged."""

    place: Place
    key: str
    reason: str

    def __str__(self) -> str:
        name = {"results": "result", "info": "info", "arrays": "array", "constraints": "constraint"}[self.place]
        return f'{name} "{self.key}" ({self.reason})'


def frame_text(atoms: Atoms) -> tuple[str, list[Loss]]:
    """Format a frame as extended XYZ, and list the entries that are not read back unchanged.

    Numbers per atom are rounded to 1e-8, as in ASE. Calculator results are read back as such; arrays of more than two
    dimensions are read back with two.

    Args:
        atoms: the frame, with or without a calculator.

    Returns:
        Text that ends with a line break, and the losses.
    """
    losses: list[Loss] = []
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.set_constraint([one for one in atoms.constraints if isinstance(one, FixAtoms | FixCartesian)])
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms | FixCartesian):
            losses.append(Loss("constraints", type(constraint).__name__, "not supported by the format"))
    results = {} if atoms.calc is None else atoms.calc.results
    entries: list[tuple[Place, str, Any]] = []
    for key, value in results.items():
        if value is None:
            continue
        if key in per_config_properties or key in per_atom_properties:
            entries.append(("results", key, value))
        else:
            losses.append(Loss("results", str(key), "not supported by the format"))
    entries += [("info", key, value) for key, value in atoms.info.items()]
    entries += [("arrays", key, value) for key, value in atoms.arrays.items() if key not in _STRUCTURE]
    columns = dict(_STRUCTURE_COLUMNS)
    for place, key, value in entries:
        if place == "arrays" or (place == "results" and key in per_atom_properties):
            loss = _add_column(frame, columns, place, key, value)
        else:
            loss = _add_entry(frame.info, place, key, value)
        if loss is not None:
            losses.append(loss)
    text = io.StringIO()
    ase.io.write(text, frame, format="extxyz")
    return text.getvalue(), losses


def _add_column(frame: Atoms, columns: dict[str, str], place: Place, key: Any, value: Any) -> Loss | None:
    """Add an array of atoms; `columns` are the names of all columns so far, with the array they belong to."""
    if not isinstance(key, str) or not _PLAIN_NAME.fullmatch(key) or key in _COLUMNS_OF_THE_FORMAT:
        return Loss(place, str(key), "its name is not a valid column name")
    array, reason = _column(np.asarray(value), len(frame))
    if array is not None and key in all_properties and array.dtype.kind != "f":
        array, reason = (
            (None, "it would be read as a result, which must be numbers")
            if array.dtype.kind == "U"
            else (array.astype(np.float64), reason)
        )
    if array is None:
        return Loss(place, key, reason)
    width = 1 if array.ndim == 1 else array.shape[1]
    name = PROPERTY_NAME_MAP.get(key, key)
    # In a frame, `charge` and `charges` are the same name, and the columns of `a` are called a0, a1, ...
    taken = [f"{key}{number}" for number in range(width)] if width > 1 else [key]
    owner = next((columns[one] for one in [f"/{name}", *taken] if one in columns), None)
    if owner is not None:
        same = owner == key and np.array_equal(frame.arrays.get(key, _MISSING), array)
        return None if same else Loss(place, key, f'its column names are the same as those of "{owner}"')
    if key == "charge":
        return Loss(place, key, 'it would be read as the result "charges"')
    columns |= dict.fromkeys([f"/{name}", *taken], key)
    frame.arrays[key] = array
    return Loss(place, key, reason) if reason else None


def _column(array: np.ndarray, num_atoms: int) -> tuple[np.ndarray | None, str]:
    """Convert an array to columns, or return None and the reason; a reason beside an array says what differs."""
    if array.shape[:1] != (num_atoms,):
        return None, f"its shape {list(array.shape)} is not one value or row per atom, for {num_atoms} atoms"
    if array.size == 0:
        return None, f"its shape {list(array.shape)} is empty"
    if array.dtype.kind in "OSU":
        texts = [one.decode(errors="replace") if isinstance(one, bytes) else one for one in array.ravel()]
        if not all(isinstance(text, str) and _is_one_word(text) for text in texts):
            return None, "columns can contain only text without spaces that is not empty"
        array = np.array(texts).reshape(array.shape)
    elif array.dtype.kind in "iu":
        if max(abs(int(array.max())), abs(int(array.min()))) >= _INTEGERS:
            if (array.astype(np.float64).astype(object) != array.astype(object)).any():
                return None, "its integers are too large"
            array = array.astype(np.float64)
        else:
            array = array.astype(np.int64)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    elif array.dtype.kind != "b":
        return None, f"columns cannot contain values of type {array.dtype}"
    if array.ndim == 1:
        return array, ""
    flat = array.reshape(num_atoms, -1)
    if array.ndim == 2 and array.shape[1] > 1:
        return array, ""
    return flat, f"its shape {list(array.shape)} becomes {flat.shape[1]} column{'' if flat.shape[1] == 1 else 's'}"


def _is_one_word(text: str) -> bool:
    return text.isprintable() and len(text.split()) == 1 and text == text.strip()


def _add_entry(info: dict[str, Any], place: Place, key: Any, value: Any) -> Loss | None:
    """Add a value of the whole frame."""
    if not isinstance(key, str):
        return Loss(place, str(key), "its key is not text")
    if key.lower() in _OF_THE_FORMAT:
        return Loss(place, key, "its key is reserved by the format")
    if key in info:  # a result of that name
        return Loss(place, key, "a result has the same name")
    if key in per_config_properties and not _is_numeric(value):
        return Loss(place, key, "it would be read as a result, which must be numeric")
    if key == "stress":
        value = _full_stress(value)
        if value is None:
            return Loss(place, key, "a stress must have six numbers or 3 x 3")
    if _is_surely_kept(key, value):
        info[key] = value
        return None
    for written in _ways_to_write(value):
        found = _read_back({key: written})
        if found.keys() == {key} and is_same(found[key], value):
            info[key] = written
            return None
    return Loss(place, key, f"the format cannot represent this value of type {type(value).__name__}")


def _is_numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # rows of different lengths
        return False


def _full_stress(value: Any) -> np.ndarray | None:
    try:
        if np.asarray(value).dtype == bool:
            return None
        stress = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if stress.shape == (6,):
        return np.asarray(voigt_6_to_full_3x3_stress(stress))
    return stress if stress.shape == (3, 3) else None


def _is_surely_kept(key: str, value: Any) -> bool:
    """Return whether an entry is certainly read back unchanged, as most are; the check of the others takes time."""
    if key in SPECIAL_3_3_KEYS or key.lower() == "uid" or not _PLAIN_NAME.fullmatch(key):
        return False
    if isinstance(value, str):
        return bool(_PLAIN_TEXT.fullmatch(value)) and value.lower() not in _WORDS
    return isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63)


def _ways_to_write(value: Any) -> list[Any]:
    ways = [] if isinstance(value, str) and not value.isprintable() else [value]
    with suppress(TypeError, ValueError, RecursionError):  # not a value of JSON
        # A backslash escapes the next character, in the format as in JSON.
        ways.append("_JSON " + json.dumps(value, default=_plain).replace("\\", "\\\\"))
    return ways


def _plain(value: Any) -> Any:
    """Convert NumPy arrays and scalars to JSON types."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        return value.tolist()
    raise TypeError(type(value).__name__)


def _read_back(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is read back of an entry; empty if it cannot be written or read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about skipped entries, which are detected here
            text = key_val_dict_to_str(entry)
        if re.search(r"[\r\n]", text):
            return {}
        # An empty value, for example, takes the next entry as its own.
        found = key_val_str_to_dict(f"{_BESIDE[0]}=1 {text} {_BESIDE[1]}=1")
    except (AttributeError, IndexError, OverflowError, RecursionError, TypeError, ValueError):
        return {}
    return found if all(found.pop(name, None) == 1 for name in _BESIDE) else {}


def is_same(read: Any, written: Any) -> bool:
    """Return whether a value was read back unchanged: sequences equal arrays, numbers agree to 14 digits."""
    if isinstance(written, Mapping) or isinstance(read, Mapping):
        if not (isinstance(written, Mapping) and isinstance(read, Mapping)) or read.keys() != written.keys():
            return False
        return all(is_same(read[key], written[key]) for key in written)
    if read is None or written is None:
        return read is written
    if isinstance(written, str) or isinstance(read, str):
        return isinstance(written, str) and isinstance(read, str) and str(read) == str(written)
    if isinstance(written, list | tuple) and any(
        one is None or isinstance(one, bool | str | list | tuple | Mapping) for one in written
    ):
        return (
            isinstance(read, list | tuple | np.ndarray)
            and len(read) == len(written)
            and all(is_same(one, other) for one, other in zip(read, written, strict=True))
        )
    return _are_same_numbers(read, written)


def _are_same_numbers(read: Any, written: Any) -> bool:
    try:
        ours, theirs = np.asarray(read), np.asarray(written)
    except ValueError:  # rows of different lengths
        return False
    if ours.shape != theirs.shape:
        return False
    if ours.size == 0:
        return True
    if "O" in (ours.dtype.kind, theirs.dtype.kind):
        return isinstance(written, int) and isinstance(read, int) and read == written
    if (ours.dtype.kind == "U") != (theirs.dtype.kind == "U") or (ours.dtype.kind == "b") != (theirs.dtype.kind == "b"):
        return False
    if ours.dtype.kind in "bU" or (ours.dtype.kind in "iu" and theirs.dtype.kind in "iu"):
        return bool((ours == theirs).all())
    if theirs.dtype.kind == "f" and theirs.dtype.itemsize < 8:
        ours = ours.astype(theirs.dtype)
    return theirs.dtype.kind in "iuf" and bool(np.allclose(ours, theirs, rtol=1e-14, atol=0, equal_nan=True))
