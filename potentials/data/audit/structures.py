"""Structures that cannot be meant: atoms on top of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from potentials.data.audit.finding import AuditFinding
from potentials.data.checks import find_contacts
from potentials.data.labels import LabelledFrame


def contact_findings(part: str, frames: Sequence[LabelledFrame]) -> Iterator[AuditFinding]:
    """Atoms closer than 0.4 A, or than half the sum of their covalent radii."""
    close = find_contacts(frames)
    if close:
        least = min(distance for _, distance in close)
        yield AuditFinding(
            "close-atoms",
            "error",
            f"{part}: {len(close)} frames have atoms on top of each other, the closest {least:.3g} A apart",
            "few programs compute such structures correctly, and a model bends all it knows to their huge forces",
            "look for a wrong length unit, a lost periodicity or cell, or atoms that are there twice",
            tuple(frame for frame, _ in close),
            {"shortest_A": least},
        )
