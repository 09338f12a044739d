"""Results and arrays that rows of ASE's databases have no column for, kept among the row's `data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROW_ARRAYS = ("initial_magmoms", "initial_charges", "masses", "tags", "momenta")
"""Arrays that a row has a column for."""
RESULTS_ENTRY = "potentials_results"
ARRAYS_ENTRY = "potentials_arrays"
"""Entries of `data` that `potentials data convert` writes: calculator results and arrays without a column."""


def separate_entries(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Info, further results and further arrays from the key-value pairs and the data of a row."""
    info = {key: value for key, value in entries.items() if key not in (RESULTS_ENTRY, ARRAYS_ENTRY)}
    return info, dict(entries.get(RESULTS_ENTRY, {})), dict(entries.get(ARRAYS_ENTRY, {}))
