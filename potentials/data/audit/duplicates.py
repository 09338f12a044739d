"""Frames that are there twice: within a part, across parts, and with labels that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.fingerprints import NEAR, Alike, comparable
from potentials.data.geometry import structure_hash
from potentials.data.label import LabelledFrame
from potentials.data.read import Located

_ENERGY_DIFFERENCE = 1e-3
"""eV an atom; more is another calculation of the same structure."""
_FEW = 0.05
"""Of the frames of a part: so few that are nearly the same as others do no harm."""


def duplicate_findings(parts: Mapping[str, Sequence[LabelledFrame]]) -> Iterator[AuditFinding]:
    """Everything this file looks for, in all parts together; training comes first among them."""
    frames = [(part, frame) for part, of_part in parts.items() for frame in of_part]
    pairs = _pairs(comparable([frame.frame for _, frame in frames]))
    yield from _contradictions(frames, pairs)
    names = list(parts)
    for part in names:
        yield from _within(part, frames, pairs)
    for position, part in enumerate(names):
        for earlier in names[:position]:
            yield from _across(part, earlier, frames, pairs)


_Owned = Sequence[tuple[str, LabelledFrame]]
_Pairs = Sequence[tuple[int, int, bool]]


def _pairs(groups: Sequence[Alike]) -> _Pairs:
    return [pair for group in groups for pair in group.pairs()]


def _contradictions(frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    wrong: dict[int, LabelledFrame] = {}
    largest = 0.0
    for a, b, same in pairs:
        one, two = frames[a][1], frames[b][1]
        difference = abs(one.energy - two.energy) / len(one.forces)
        if same and difference > _ENERGY_DIFFERENCE:  # never of NaN
            wrong |= {a: one, b: two}
            largest = max(largest, difference)
    if wrong:
        yield AuditFinding(
            "contradicting-duplicates",
            "error",
            f"the same structures with energies that differ by up to {1e3 * largest:.4g} meV/atom",
            "one structure has one energy; two levels of theory, two units or an unconverged calculation are mixed",
            "find out which of them belongs to the rest, and remove the other",
            tuple(frame.frame for frame in wrong.values()),
            {"largest_eV_per_atom": largest},
        )


def _within(part: str, frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    inside = [(a, b, same) for a, b, same in pairs if frames[a][0] == frames[b][0] == part]
    repeated = sorted({max(a, b) for a, b, same in inside if same})
    if repeated:
        yield AuditFinding(
            "duplicates",
            "warning",
            f"{part}: {len(repeated)} frames repeat others (the same up to rotation, reflection and order of the "
            "atoms)",
            "they count twice in the loss, and when parts are drawn at random they leak from one to the other",
            "keep one of each",
            tuple(frames[k][1].frame for k in repeated),
        )
    near = sorted({max(a, b) for a, b, same in inside if not same} - set(repeated))
    if near:
        count = sum(1 for owner, _ in frames if owner == part)
        yield AuditFinding(
            "near-duplicates",
            "warning" if len(near) > _FEW * count else "note",
            f"{part}: {len(near)} frames differ from others by no more than {NEAR:g} A in each coordinate",
            "they teach nothing new, and when parts are drawn at random they leak from one to the other",
            "take fewer frames of a trajectory, or divide it in blocks (potentials data split --by block)",
            tuple(frames[k][1].frame for k in near),
        )


def _across(part: str, earlier: str, frames: _Owned, pairs: _Pairs) -> Iterator[AuditFinding]:
    found: dict[int, bool] = {}
    for a, b, same in pairs:
        for mine, other in ((a, b), (b, a)):
            if frames[mine][0] == part and frames[other][0] == earlier:
                found[mine] = found.get(mine, False) or same
    if found:
        count = sum(1 for owner, _ in frames if owner == part)
        yield leak_finding(part, earlier, [frames[k][1].frame for k in sorted(found)], sum(found.values()), count)


def exact_leaks(parts: Mapping[str, Sequence[LabelledFrame]]) -> Iterator[AuditFinding]:
    """Frames that are in an earlier part to the letter; quick for any number of them."""
    hashes = {part: [_hash(frame) for frame in frames] for part, frames in parts.items()}
    names = list(parts)
    for position, part in enumerate(names):
        for earlier in names[:position]:
            known = set(hashes[earlier])
            same = [frame for frame, its in zip(parts[part], hashes[part], strict=True) if its in known]
            if same:
                yield leak_finding(part, earlier, [frame.frame for frame in same], len(same), len(parts[part]))


def _hash(labelled: LabelledFrame) -> np.uint64:
    atoms = labelled.frame.atoms
    return structure_hash(atoms.numbers, atoms.positions, atoms.cell.array, np.asarray(atoms.pbc))


def leak_finding(part: str, earlier: str, found: Sequence[Located], equal: int, count: int) -> AuditFinding:
    """What is said of frames of a part that are, to the letter (`equal` of them) or nearly, in an earlier one too."""
    return AuditFinding(
        "leak",
        "error" if equal or len(found) > _FEW * count else "note",
        f"{len(found)} of {count} {part} frames are {earlier} frames too: {equal} the same, {len(found) - equal} "
        f"within {NEAR:g} A in each coordinate",
        f"errors on frames that are in the {earlier} data too say nothing about new structures",
        "remove them from one of both",
        tuple(found),
        {"same": float(equal), "share": len(found) / count},
    )
