"""Reading structures: anything ASE reads, lists, globs, slices, built-in sets; all at once or one after the other.

A `Frame` is an `ase.Atoms` and where it comes from. Nothing here knows what a label is.
"""

from potentials.data.read.frames import (
    Frame,
    Located,
    expand_files,
    files_of,
    frame_list,
    read_file,
    read_frames,
)
from potentials.data.read.length_units import atoms_in_angstrom, training_units
from potentials.data.read.streaming import count_frames, iter_frames

__all__ = [
    "Frame",
    "Located",
    "atoms_in_angstrom",
    "count_frames",
    "expand_files",
    "files_of",
    "frame_list",
    "iter_frames",
    "read_file",
    "read_frames",
    "training_units",
]
