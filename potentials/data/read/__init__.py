"""Reading structures: ASE formats, lists, globs, slices, built-in sets; all at once or one by one.

A `Frame` is an `ase.Atoms` with its file and frame number. Labels are read elsewhere.
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
