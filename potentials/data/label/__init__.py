"""Labels of frames: energies, forces and stresses in eV, A and ASE's sign, weights, groups, and isolated atoms.

The configuration gives keys and units of the labels; a `LabeledFrame` contains the converted labels.
"""

from potentials.data.label.frame_digest import atoms_digest, data_digest, digest_keys, frame_digest
from potentials.data.label.isolated_atoms import (
    holds_isolated_atom,
    is_isolated,
    is_isolated_atom,
    isolated_atoms_use,
    separate_isolated_atoms,
)
from potentials.data.label.label_values import LARGEST_LABEL, find_value, find_values, read_stresses, stress_matrix
from potentials.data.label.labels import DEFAULT_GROUP, LabeledFrame, label_frames, note_partly_missing

__all__ = [
    "DEFAULT_GROUP",
    "LARGEST_LABEL",
    "LabeledFrame",
    "atoms_digest",
    "data_digest",
    "digest_keys",
    "find_value",
    "find_values",
    "frame_digest",
    "holds_isolated_atom",
    "is_isolated",
    "is_isolated_atom",
    "isolated_atoms_use",
    "label_frames",
    "note_partly_missing",
    "read_stresses",
    "separate_isolated_atoms",
    "stress_matrix",
]
