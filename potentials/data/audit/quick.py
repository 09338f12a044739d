"""The checks of an audit that need no model, complete or for a subset of the frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from potentials.data.audit.coverage import coverage_findings, cut_trajectories
from potentials.data.audit.duplicates import duplicate_findings, exact_leaks
from potentials.data.audit.energies import energy_kind_findings
from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.forces import force_findings
from potentials.data.audit.outliers import energy_outlier_findings
from potentials.data.audit.structures import contact_findings, spacing_findings
from potentials.data.audit.trajectories import trajectory_findings
from potentials.data.findings import Findings
from potentials.data.label import LabeledFrame
from potentials.data.read import frame_list

_MOST_ATOMS = 100_000
"""Number of atoms of each set that is checked before training, which takes seconds; all may take minutes."""
_NOT_IN_BRIEF = ("near-duplicates",)

FramesBySplit = Mapping[str, Sequence[LabeledFrame]]
"""Frames of each split, the training set first."""


def quick_findings(splits: FramesBySplit, isolated: Sequence[LabeledFrame], cutoff: float) -> Iterator[AuditFinding]:
    """Yield all findings that need no model.

    Args:
        splits: the frames.
        isolated: frames of isolated atoms, of any set.
        cutoff: of the model, A.
    """
    for split, frames in splits.items():
        yield from energy_kind_findings(split, frames, isolated)
    yield from _of_frames(splits)
    yield from coverage_findings(splits, isolated, cutoff)


def brief_audit(splits: FramesBySplit, findings: Findings, leaks: Iterator[AuditFinding] | None = None) -> None:
    """Add warnings of data errors before training, beyond the checks of `prepare`.

    Args:
        splits: the frames, or a sample of them.
        findings: receives the warnings.
        leaks: frames that are identical to a frame of an earlier set, where `splits` are a sample.
    """
    looked_at = {split: _first(frames) for split, frames in splits.items()}
    cut = [
        f"{len(looked_at[split])} of {len(frames)} {split} frames"
        for split, frames in splits.items()
        if len(looked_at[split]) < len(frames)
    ]
    if cut:
        findings.note(f"only {', '.join(cut)} were checked for data errors; `potentials data audit` checks all")
        leaks = exact_leaks(splits) if leaks is None else leaks
    quick = [
        found
        for found in _of_frames(looked_at)
        if not (leaks is not None and found.check == "leak" and found.figures["same"])
    ]
    for found in (*quick, *cut_trajectories(looked_at), *(leaks or ())):
        if found.severity != "note" and found.check not in _NOT_IN_BRIEF:
            where = f", in {frame_list(found.frames)}" if found.frames else ""
            findings.warn(f"{found.what}{where}. {found.why[0].upper()}{found.why[1:]}: {found.remedy}")


def _first(frames: Sequence[LabeledFrame]) -> Sequence[LabeledFrame]:
    atoms = np.cumsum([len(frame.forces) for frame in frames])
    return frames[: max(1, int(np.searchsorted(atoms, _MOST_ATOMS, side="right")))]


def _of_frames(splits: FramesBySplit) -> Iterator[AuditFinding]:
    for split, frames in splits.items():
        yield from contact_findings(split, frames)
        yield from spacing_findings(split, frames)
        yield from force_findings(split, frames)
        yield from trajectory_findings(split, frames)
    yield from energy_outlier_findings(splits)
    yield from duplicate_findings(splits)
