"""Implausible structures: atoms on top of each other, or all too far apart for bonds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import covalent_radii

from potentials.data.audit.checks import find_contacts
from potentials.data.audit.finding import AuditFinding
from potentials.data.geometry import neighbor_vectors
from potentials.data.label import LabeledFrame

_FAR = 1.6
"""Times the sum of covalent radii; nearest neighbors are 0.9 to 1.2 apart in molecules, metals and salts."""
_FARTHEST = 2.2
_SAMPLED = 20
_MOST_ATOMS = 1000
_NOBLE = (2, 10, 18, 36, 54, 86)
"""Their crystals and liquids have no bonds."""


def contact_findings(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Yield frames with atoms closer than 0.4 A, or than half the sum of their covalent radii."""
    close = find_contacts(frames)
    if close:
        least = min(distance for _, distance in close)
        yield AuditFinding(
            "close-atoms",
            "error",
            f"{split}: atoms on top of each other in {len(close)} of {len(frames)} frames; shortest distance "
            f"{least:.3g} A",
            "few programs compute such structures correctly, and their huge forces distort the model",
            "check for a wrong length unit, a missing cell or periodicity, or duplicate atoms",
            tuple(frame for frame, _ in close),
            {"shortest_A": least},
        )


def spacing_findings(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Yield a finding if nearest-neighbor distances suggest that lengths in Bohr were read as A."""
    places = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _SAMPLED)).astype(int))
    ratios = [ratio for k in places if (ratio := _spacing(frames[k])) is not None]
    if ratios and _FAR < np.median(ratios) < _FARTHEST:
        yield AuditFinding(
            "length-unit",
            "warning",
            f"{split}: nearest neighbors are {np.median(ratios):.3g} times the sum of their covalent radii apart, "
            "where 0.9 to 1.2 is usual",
            "lengths in Bohr that are read as A are 1.89 times too large, and the cutoff includes fewer neighbors",
            "if the files are in Bohr, set data.length_unit: Bohr (and the units of energies and forces)",
            figures={"ratio": float(np.median(ratios))},
        )


def _spacing(frame: LabeledFrame) -> float | None:
    """Return the median nearest-neighbor distance over the sum of covalent radii; None where it is not meaningful."""
    atoms = frame.frame.atoms
    if len(atoms) > _MOST_ATOMS or np.isin(atoms.numbers, _NOBLE).any():
        return None
    radii = covalent_radii[atoms.numbers]
    reach = 2 * _FARTHEST * float(radii.max())
    (sender, receiver), vectors = neighbor_vectors(atoms, reach)
    distances = np.linalg.norm(vectors, axis=1)
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, receiver, distances / (radii[sender] + radii[receiver]))
    return float(np.median(nearest))
