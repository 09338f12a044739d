"""Entries of a frame in rows of ASE's databases, apart from the columns that ASE fills itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ase.db.core import check

from potentials.data.conversion.writer import FrameWriter, Place
from potentials.data.read import Frame
from potentials.data.stores.entries import ARRAYS_ENTRY, RESULTS_ENTRY, ROW_ARRAYS


def row_values(
    writer: FrameWriter, frame: Frame, in_columns: Callable[[Place, str, Any], bool], array_kinds: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the key-value pairs and the data of a row.

    Numbers and text of info that ASE's databases can search become key-value pairs. The rest of info is stored as data.
    So are, under two entries of ours, calculator results and arrays that no column restores exactly.

    Args:
        writer: of the format.
        frame: to write.
        in_columns: whether a column restores a calculator result or array exactly.
        array_kinds: kinds of NumPy arrays that data can contain.

    Raises:
        DataError: data cannot contain a value.
    """
    pairs: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for key, value in frame.atoms.info.items():
        plain = _holdable(writer, frame, "info", key, value, array_kinds)
        (pairs if _is_searchable(key, plain) else data)[key] = plain
    results = {} if frame.atoms.calc is None else frame.atoms.calc.results
    others: tuple[tuple[Place, str, Mapping[str, Any]], ...] = (
        ("results", RESULTS_ENTRY, results),
        ("arrays", ARRAYS_ENTRY, frame.atoms.arrays),
    )
    for place, entry, values in others:
        kept = {
            key: _holdable(writer, frame, place, key, value, array_kinds)
            for key, value in values.items()
            if value is not None and key not in ("numbers", "positions") and not in_columns(place, key, value)
        }
        if kept:
            data[entry] = kept
    return pairs, data


def _is_searchable(key: str, value: Any) -> bool:
    if key in ROW_ARRAYS or not isinstance(value, bool | int | float | str):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a key that is also a chemical formula
        try:
            check({key: value})
        except (ValueError, UserWarning):
            return False
    # Searching works with numbers of 64 bits, and SQLite has no NaN.
    return isinstance(value, str) or bool(np.isfinite(value) and abs(value) < 2**53)


def _holdable(writer: FrameWriter, frame: Frame, place: Place, key: Any, value: Any, array_kinds: str) -> Any:
    """Convert NumPy scalars to Python numbers; raise for a value that cannot be written."""
    if not isinstance(key, str) or _is_whole(key):
        raise writer.refusal(frame, place, key, "keys must be text that is not a number")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in array_kinds:
            raise writer.refusal(frame, place, key, f"an array of type {value.dtype}")
        return value
    if isinstance(value, dict):
        return {inner: _holdable(writer, frame, place, inner, entry, array_kinds) for inner, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_holdable(writer, frame, place, key, entry, array_kinds) for entry in value]
    if value is not None and not isinstance(value, bool | int | float | complex | str):
        raise writer.refusal(frame, place, key, f"a value of type {type(value).__name__}")
    return value


def _is_whole(key: str) -> bool:
    try:
        int(key)
    except ValueError:
        return False
    return True
