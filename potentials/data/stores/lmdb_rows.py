"""Rows of ASE's LMDB database: compressed JSON converted to frame records."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import orjson
from ase.calculators.calculator import all_properties
from ase.io.jsonio import create_ndarray, decode, fix_int_keys_in_dicts, object_hook

from potentials.data.stores.entries import ROW_ARRAYS, separate_entries
from potentials.data.stores.store import FrameRecord


def decode_value(stored: bytes) -> Any:
    """Decode any entry of the file, as ASE does."""
    return decode(zlib.decompress(stored).decode())


def decode_row(stored: bytes) -> dict[str, Any]:
    """Decode a row to a dictionary; equal to ASE's `decode`, but faster."""
    text = zlib.decompress(stored)
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:  # NaN and infinite numbers, which Python's JSON accepts
        return decode(text.decode())
    return fix_int_keys_in_dicts(_with_arrays(row))


def row_record(row: dict[str, Any]) -> FrameRecord:
    """Convert a decoded row to a record, with entries in the places where `AtomsRow.toatoms` puts them."""
    results = {name: row[name] for name in all_properties if row.get(name) is not None}
    entries = {**row.get("key_value_pairs", {}), **row.get("data", {})}
    info, others, arrays = separate_entries(entries)
    return FrameRecord(
        numbers=np.asarray(row["numbers"], dtype=np.int64),
        positions=np.asarray(row["positions"], dtype=np.float64),
        cell=np.zeros((3, 3)) if row.get("cell") is None else np.asarray(row["cell"], dtype=np.float64),
        pbc=np.zeros(3, dtype=bool) if row.get("pbc") is None else np.asarray(row["pbc"], dtype=bool),
        results={
            **{name: np.array(value) if isinstance(value, list) else value for name, value in results.items()},
            **others,
        },
        info=info,
        arrays={**{name: np.asarray(row[name]) for name in ROW_ARRAYS if row.get(name) is not None}, **arrays},
        constraints=row.get("constraints", ()),
        calculator=row.get("calculator", FrameRecord.__dataclass_fields__["calculator"].default),
    )


def _with_arrays(value: Any) -> Any:
    """Replace the dictionaries that encode arrays and other objects by these."""
    if isinstance(value, dict):
        if "__ndarray__" in value:
            return create_ndarray(*value["__ndarray__"])
        return object_hook({key: _with_arrays(inner) for key, inner in value.items()})
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return [_with_arrays(inner) for inner in value]
    return value
