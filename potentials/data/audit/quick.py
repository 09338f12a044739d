"""The quick part of an audit: all that needs no model, in whole or in brief."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from potentials.data.audit.coverage import coverage_findings, cut_trajectories
from potentials.data.audit.duplicates import duplicate_findings
from potentials.data.audit.energies import energy_kind_findings
from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.forces import force_findings
from potentials.data.audit.structures import contact_findings
from potentials.data.audit.trajectories import trajectory_findings
from potentials.data.findings import Findings
from potentials.data.frames import frame_list
from potentials.data.labels import LabelledFrame

_MOST_FRAMES = 20_000
"""Of each part, that are looked at before training; more would take minutes."""
_NOT_IN_BRIEF = ("near-duplicates",)

Parts = Mapping[str, Sequence[LabelledFrame]]
"""Frames by the name of their part, the training frames first."""


def quick_findings(parts: Parts, isolated: Sequence[LabelledFrame], cutoff: float) -> Iterator[AuditFinding]:
    """Everything that needs no model.

    Args:
        parts: the frames.
        isolated: frames of isolated atoms, of any part.
        cutoff: A, that the model will have.
    """
    for part, frames in parts.items():
        yield from energy_kind_findings(part, frames, isolated)
    yield from _of_frames(parts)
    yield from coverage_findings(parts, isolated, cutoff)


def brief_audit(parts: Parts, findings: Findings) -> None:
    """What is worth a warning before training, besides what `prepare` checks anyway."""
    looked_at = {part: frames[:_MOST_FRAMES] for part, frames in parts.items()}
    cut = [part for part, frames in parts.items() if len(frames) > _MOST_FRAMES]
    if cut:
        findings.note(
            f"looked for faults in the first {_MOST_FRAMES} frames only of: {', '.join(cut)}; `potentials data "
            "audit` looks at "
            "all"
        )
    for found in (*_of_frames(looked_at), *cut_trajectories(looked_at)):
        if found.severity != "note" and found.check not in _NOT_IN_BRIEF:
            where = f", in {frame_list(found.frames)}" if found.frames else ""
            findings.warn(f"{found.what}{where}. {found.why[0].upper()}{found.why[1:]}: {found.remedy}")


def _of_frames(parts: Parts) -> Iterator[AuditFinding]:
    for part, frames in parts.items():
        yield from contact_findings(part, frames)
        yield from force_findings(part, frames)
        yield from trajectory_findings(part, frames)
    yield from duplicate_findings(parts)
