"""Duplicate frames: within a set, across sets, and with conflicting labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.near_duplicates import NEAR, Alike, comparable
from potentials.data.geometry import structure_hash
from potentials.data.label import LabeledFrame
from potentials.data.read import Located

_ENERGY_DIFFERENCE = 1e-3
"""eV/atom; a larger difference means another calculation of the same structure."""
_FEW = 0.05
"""Fraction of the frames of a set; fewer near-duplicates are harmless."""


def duplicate_findings(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    """Yield all findings of this file, for all sets together; the training set comes first."""
    frames = [(split, frame) for split, of_split in splits.items() for frame in of_split]
    pairs = _pairs(comparable([frame.frame for _, frame in frames]))
    yield from _conflicts(frames, pairs)
    names = list(splits)
    for split in names:
        yield from _within(split, frames, pairs)
    for position, split in enumerate(names):
        for earlier in names[:position]:
            yield from _across(split, earlier, frames, pairs)


_Owned = Sequence[tuple[str, LabeledFrame]]
_Pairs = Sequence[tuple[int, int, bool]]


def _pairs(groups: Sequence[Alike]) -> _Pairs:
    return [pair for group in groups for pair in group.pairs()]


def _conflicts(frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    wrong: dict[int, LabeledFrame] = {}
    largest = 0.0
    for a, b, same in pairs:
        one, two = frames[a][1], frames[b][1]
        difference = abs(one.energy - two.energy) / len(one.forces)
        if same and difference > _ENERGY_DIFFERENCE:  # never of NaN
            wrong |= {a: one, b: two}
            largest = max(largest, difference)
    if wrong:
        yield AuditFinding(
            "conflicting-duplicates",
            "error",
            f"identical structures have energies that differ by up to {1e3 * largest:.4g} meV/atom",
            "a structure has one energy; the data mix levels of theory or units, or contain an unconverged calculation",
            "find out which frames agree with the rest of the data, and remove the others",
            tuple(frame.frame for frame in wrong.values()),
            {"largest_eV_per_atom": largest},
        )


def _within(split: str, frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    inside = [(a, b, same) for a, b, same in pairs if frames[a][0] == frames[b][0] == split]
    count = sum(1 for owner, _ in frames if owner == split)
    repeated = sorted({max(a, b) for a, b, same in inside if same})
    if repeated:
        yield AuditFinding(
            "duplicates",
            "warning",
            f"{split}: duplicates of other frames (identical up to rotation, reflection and order of the atoms): "
            f"{len(repeated)} of {count} frames",
            "they count twice in the loss, and a random split puts copies into both training and test sets",
            "keep one of each",
            tuple(frames[k][1].frame for k in repeated),
        )
    near = sorted({max(a, b) for a, b, same in inside if not same} - set(repeated))
    if near:
        yield AuditFinding(
            "near-duplicates",
            "warning" if len(near) > _FEW * count else "note",
            f"{split}: near-duplicates of other frames (within {NEAR:g} A in each coordinate): {len(near)} of {count} "
            "frames",
            "they add no information, and a random split puts similar frames into both training and test sets",
            "take fewer frames of a trajectory, or split it into blocks (potentials data split --by block)",
            tuple(frames[k][1].frame for k in near),
        )


def _across(split: str, earlier: str, frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    found: dict[int, bool] = {}
    for a, b, same in pairs:
        for mine, other in ((a, b), (b, a)):
            if frames[mine][0] == split and frames[other][0] == earlier:
                found[mine] = found.get(mine, False) or same
    if found:
        count = sum(1 for owner, _ in frames if owner == split)
        yield leak_finding(split, earlier, [frames[k][1].frame for k in sorted(found)], sum(found.values()), count)


def exact_leaks(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    """Yield frames that are identical to a frame of an earlier set; fast for any number of frames."""
    hashes = {split: [_hash(frame) for frame in frames] for split, frames in splits.items()}
    names = list(splits)
    for position, split in enumerate(names):
        for earlier in names[:position]:
            known = set(hashes[earlier])
            same = [frame for frame, its in zip(splits[split], hashes[split], strict=True) if its in known]
            if same:
                yield leak_finding(split, earlier, [frame.frame for frame in same], len(same), len(splits[split]))


def _hash(labeled: LabeledFrame) -> np.uint64:
    atoms = labeled.frame.atoms
    return structure_hash(atoms.numbers, atoms.positions, atoms.cell.array, np.asarray(atoms.pbc))


def leak_finding(split: str, earlier: str, found: Sequence[Located], equal: int, count: int) -> AuditFinding:
    """Describe frames that also occur in an earlier set, identically (`equal` of them) or nearly."""
    return AuditFinding(
        "leak",
        "error" if equal or len(found) > _FEW * count else "note",
        f"{split} frames that are also {earlier} frames: {len(found)} of {count} ({equal} identical, "
        f"{len(found) - equal} within {NEAR:g} A in each coordinate)",
        f"errors on frames that are also in the {earlier} data do not measure accuracy on new structures",
        "remove them from one of the two sets",
        tuple(found),
        {"same": float(equal), "share": len(found) / count},
    )
