"""Extended XYZ written with ASE; each frame is read back at once, since the format cannot represent some values."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from potentials.data.conversion.writer import FrameWriter, Place
from potentials.data.read import Frame
from potentials.data.write import frame_text, is_same

_TOLERANCE = 1e-8
"""ASE writes numbers per atom with eight decimals."""


class ExtxyzWriter(FrameWriter):
    """Writer of `.extxyz` and `.xyz`; numbers per atom are rounded to 1e-8, as in ASE."""

    format = "extended XYZ"

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")

    def add(self, frame: Frame) -> None:
        """See `FrameWriter`."""
        text, losses = frame_text(frame.atoms)
        for loss in losses:
            if loss.place != "constraints":
                raise self.refusal(frame, loss.place, loss.key, loss.reason)
        try:
            read = ase.io.read(io.StringIO(text), index=0, format="extxyz")
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise self.refusal(frame, None, None, f"{type(error).__name__}: {error}") from error
        self._check(frame, read)
        self.file.write(text)

    def close(self) -> None:
        """See `FrameWriter`."""
        self.file.close()

    def discard(self) -> None:
        """See `FrameWriter`."""
        self.file.close()

    def _check(self, frame: Frame, read: Atoms) -> None:
        """Check that a frame is read back unchanged; a label may be read back from another place where it is found too.

        Raises:
            DataError: something is lost or changed.
        """
        found = {key: value for _, key, value in _entries(read)}
        for place, key, value in _entries(frame.atoms):
            if value is None and place == "results":
                continue
            if key not in found:
                raise self.refusal(frame, place, key, "it would be lost")
            if not _is_same(found[key], value):
                raise self.refusal(frame, place, key, f"it would be read as {found[key]!r}, not {value!r}")


def _entries(atoms: Atoms) -> list[tuple[Place, str, Any]]:
    results = {} if atoms.calc is None else atoms.calc.results
    found: list[tuple[Place, str, Any]] = [("results", key, value) for key, value in results.items()]
    found += [("info", key, value) for key, value in atoms.info.items()]
    return found + [("arrays", key, value) for key, value in atoms.arrays.items()]


def _is_same(read: Any, written: Any) -> bool:
    if is_same(read, written):
        return True
    ours, theirs = np.asarray(read), np.asarray(written)
    if ours.shape != theirs.shape or ours.dtype.kind not in "fc" or theirs.dtype.kind not in "iufc":
        return False
    return bool(np.allclose(ours, theirs, rtol=1e-14, atol=_TOLERANCE, equal_nan=True))
