"""Names in our HDF5 files; docs/large-data.md describes the layout for those who read it by other means."""

from __future__ import annotations

from typing import Final

FORMAT: Final = "potentials frames"
VERSION: Final = 1

OFFSETS: Final = "offsets"
"""[F + 1]; the atoms of frame i are the rows offsets[i] to offsets[i + 1] of all datasets with a row an atom."""
NUMBERS: Final = "numbers"
POSITIONS: Final = "positions"
CELL: Final = "cell"
PBC: Final = "pbc"
CONSTRAINTS: Final = "constraints"
"""[F] JSON; only where a frame has constraints."""
PRESENT: Final = "present"
"""Group with [F] booleans for the datasets that some frame lacks, under the same names."""

PLACES: Final = ("results", "info", "arrays")
PER: Final = "per"
"""Attribute of each dataset of a place: `atom` or `frame`, what a row of it belongs to."""
