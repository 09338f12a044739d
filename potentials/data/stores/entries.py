"""Results and arrays without a column in rows of ASE's databases, stored in the row's `data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROW_ARRAYS = ("initial_magmoms", "initial_charges", "masses", "tags", "momenta")
"""Arrays that have a column in a row."""
RESULTS_ENTRY = "potentials_results"
ARRAYS_ENTRY = "potentials_arrays"
"""Entries of `data` written by `potentials data convert`: calculator results and arrays without a column."""


def separate_entries(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return info, further results and further arrays from the key-value pairs and the data of a row."""
    info = {key: value for key, value in entries.items() if key not in (RESULTS_ENTRY, ARRAYS_ENTRY)}
    return info, dict(entries.get(RESULTS_ENTRY, {})), dict(entries.get(ARRAYS_ENTRY, {}))
