"""Selection of the structure: the one given, or a frame of the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from potentials.data.read import Frame, atoms_in_angstrom, expand_files, read_file, training_units
from potentials.errors import DataError
from potentials.potential import Potential

_LOOKED_AT = 50
"""Number of frames in which a frame with more than one atom is searched."""


def structure_to_show(potential: Potential, structure: str | None) -> Frame:
    """Return the structure to show.

    Args:
        potential: potential whose training data are used if no structure is given.
        structure: structure as accepted by `read_frames`. Without a frame number the first frame of the file with more
            than one atom is used, if there is one among the first frames.

    Raises:
        DataError: the structure cannot be read, or none is given and the training data are missing.
    """
    if structure is not None:
        return _first_of(structure)
    sources = _training_data(potential.metadata)
    if not sources:
        raise DataError(
            "no structure is given, and the model file does not name its training data; give a structure "
            "after the model"
        )
    try:
        frame = _first_molecule(sources)
        unit = training_units(potential.metadata).get("positions", "A")
        return replace(frame, atoms=atoms_in_angstrom(frame.atoms, unit))
    except DataError as error:
        raise DataError(
            f"no structure is given, and the training data of the model cannot be read ({error}); give a "
            "structure after the model"
        ) from error


def _first_molecule(entries: Sequence[str]) -> Frame:
    """Return the first frame with more than one atom in several files, or the first frame if there is none."""
    first = _first_of(entries[0])
    others = (_first_of(entry) for entry in entries[1:])
    return first if len(first.atoms) > 1 else next((frame for frame in others if len(frame.atoms) > 1), first)


def _first_of(entry: str) -> Frame:
    name, path, selection = expand_files(entry)[0]
    if selection is not None:
        return read_file(name, path, selection)[0]
    frames = read_file(name, path, f":{_LOOKED_AT}")
    return next((frame for frame in frames if len(frame.atoms) > 1), frames[0])


def _training_data(metadata: Mapping[str, Any]) -> list[str]:
    """Return the files of the training data. The header may contain arbitrary values."""
    found: Any = metadata
    for key in ("config", "data", "train"):
        found = found.get(key) if isinstance(found, Mapping) else None
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, str)]
