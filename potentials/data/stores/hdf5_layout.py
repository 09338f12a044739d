"""Names of datasets in HDF5 files; docs/large-data.md describes the layout for other readers."""

from __future__ import annotations

from typing import Final

FORMAT: Final = "potentials frames"
VERSION: Final = 1

OFFSETS: Final = "offsets"
"""[F + 1]; the atoms of frame i are rows offsets[i] to offsets[i + 1] of all datasets with a row per atom."""
NUMBERS: Final = "numbers"
POSITIONS: Final = "positions"
CELL: Final = "cell"
PBC: Final = "pbc"
CONSTRAINTS: Final = "constraints"
"""[F] JSON; only where a frame has constraints."""
PRESENT: Final = "present"
"""Group of [F] booleans, under the same names, for the datasets that some frames lack."""

PLACES: Final = ("results", "info", "arrays")
PER: Final = "per"
"""Attribute of each dataset: `atom` or `frame`, the unit of its rows."""
