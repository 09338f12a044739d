"""Coverage of the splits: elements, compositions, labels, isolated atoms, cells, and trajectories cut by a split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.near_duplicates import comparable
from potentials.data.geometry import heights, reduced_cell
from potentials.data.infer import composition_matrix, indistinguishable
from potentials.data.label import LabeledFrame

_CORRELATED = 0.3
"""Successive frames are correlated if their distance is below this fraction of that of frames ten steps apart. (Frames
of the whole file are no reference: they may be of another phase.)"""
_LATER = 10
_CUT_SHARE = 0.1
"""Fraction of the frames of a set above which cut trajectories are reported."""
_FEW_STEPS = 10


def coverage_findings(
    splits: Mapping[str, Sequence[LabeledFrame]], isolated: Sequence[LabeledFrame], cutoff: float
) -> Iterator[AuditFinding]:
    """Yield all findings of this file.

    Args:
        splits: frames by set, the training set first.
        isolated: frames of isolated atoms, of any set.
        cutoff: of the model, A.
    """
    yield from _elements(splits)
    yield from _compositions(splits)
    for split, frames in splits.items():
        yield from _missing_labels(split, frames)
        yield from _small_cells(split, frames, cutoff)
    first, frames = next(iter(splits.items()))
    yield from _isolated(first, frames, isolated)
    yield from cut_trajectories(splits)


def _symbols(frame: LabeledFrame) -> set[str]:
    return set(frame.frame.atoms.get_chemical_symbols())


def _elements(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    (first, trained), *others = splits.items()
    known = {symbol for frame in trained for symbol in _symbols(frame)}
    for split, frames in others:
        strange = [frame for frame in frames if _symbols(frame) - known]
        if strange:
            symbols = sorted({symbol for frame in strange for symbol in _symbols(frame)} - known)
            yield AuditFinding(
                "unseen-element",
                "error",
                f"the {split} frames contain {', '.join(symbols)}, which the {first} frames lack",
                "a model cannot learn elements that are not in the training set",
                "add training frames with these elements, or remove these frames",
                tuple(frame.frame for frame in strange),
            )


def _compositions(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    (first, trained), *others = splits.items()
    known = {_ratio(frame) for frame in trained}
    for split, frames in others:
        strange = [frame for frame in frames if _ratio(frame) not in known]
        if strange and len(strange) < len(frames):
            formulas = sorted({frame.frame.atoms.get_chemical_formula(empirical=True) for frame in strange})
            yield AuditFinding(
                "unseen-composition",
                "warning",
                f"compositions that the {first} frames lack, in {len(strange)} of {len(frames)} {split} frames: "
                f"{', '.join(formulas[:6])}{', ...' if len(formulas) > 6 else ''}",
                "predictions for them are extrapolations; the test errors average over known and unknown compositions",
                "put them into a separate test set if both errors are of interest",
                tuple(frame.frame for frame in strange),
            )


def _ratio(frame: LabeledFrame) -> str:
    return frame.frame.atoms.get_chemical_formula(empirical=True)


def _missing_labels(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    periodic = np.array([bool(frame.frame.atoms.pbc.all()) for frame in frames], dtype=bool)
    missing = {
        "energy": np.array([np.isnan(frame.energy) for frame in frames], dtype=bool),
        "forces": np.array([bool(np.isnan(frame.forces).all()) for frame in frames], dtype=bool),
        "stress": np.array([bool(np.isnan(frame.stress).all()) for frame in frames], dtype=bool) & periodic,
    }
    possible = {"energy": len(frames), "forces": len(frames), "stress": int(periodic.sum())}
    for name, lacks in missing.items():
        if 0 < lacks.sum() < possible[name]:  # a label that all frames lack is not expected
            yield AuditFinding(
                "missing-labels",
                "warning",
                f"{split}: no {name} in {lacks.sum()} of {len(frames)} frames",
                "they do not contribute to that term of the loss, so such structures have less weight than others",
                "no action is needed if this is intended; otherwise check whether the label has another name in these "
                "frames",
                tuple(frame.frame for frame, lack in zip(frames, lacks, strict=True) if lack),
                {"share": float(lacks.mean())},
            )


def _small_cells(split: str, frames: Sequence[LabeledFrame], cutoff: float) -> Iterator[AuditFinding]:
    small, least = [], np.inf
    for frame in frames:
        atoms = frame.frame.atoms
        if atoms.pbc.any():
            height = float(heights(reduced_cell(atoms.cell.array, atoms.pbc)[0], atoms.pbc).min())
            if height < cutoff:
                small.append(frame.frame)
                least = min(least, height)
    if small:
        yield AuditFinding(
            "small-cell",
            "note",
            f"{split}: in {len(small)} of {len(frames)} frames the cell is smaller than the cutoff (smallest height "
            f"{least:.3g} A, cutoff {cutoff:g} A), so atoms are neighbors of their own periodic images",
            "an atom and its images always move together, so these frames contain less information than larger cells, "
            "and a long-range part of the energy may be learned as short-range",
            "no action is needed for perfect crystals; for disordered structures, add larger cells",
            tuple(small),
            {"least_A": least},
        )


def _isolated(split: str, frames: Sequence[LabeledFrame], isolated: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    elements = sorted({symbol for frame in frames for symbol in _symbols(frame)})
    there = {symbol for frame in isolated if np.isfinite(frame.energy) for symbol in _symbols(frame)}
    missing = [symbol for symbol in elements if symbol not in there]
    labeled = [frame for frame in frames if np.isfinite(frame.energy)]
    if not missing or not labeled:
        return
    occurring, counts = composition_matrix(labeled, elements)
    ambiguity = indistinguishable(occurring, np.unique(counts, axis=0))
    vague = f", and {ambiguity}, so a least-squares fit cannot determine their energies either" if ambiguity else ""
    yield AuditFinding(
        "isolated-atoms",
        "note",
        f"there is no isolated atom of {', '.join(missing)}{vague}",
        "without reference energies, dissociation energies and energies of other compositions are undetermined",
        "if such energies matter, compute each element's atom at the level of theory of the data and name the file in "
        "data.isolated_atoms",
    )


def cut_trajectories(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    """Yield frames that are adjacent, in their file, to correlated frames of another set."""
    owned = [(split, frame) for split, frames in splits.items() for frame in frames]
    first = next(iter(splits))
    cut: dict[str, list[LabeledFrame]] = {}
    for group in comparable([frame.frame for _, frame in owned]):
        places = [(owned[k][1].frame.file, owned[k][1].frame.index) for k in group.members]
        order = sorted(range(len(places)), key=places.__getitem__)
        descriptors = group.descriptors[order]
        steps = np.linalg.norm(np.diff(descriptors, axis=0), axis=1)
        adjacent = np.array([_follow(places[a], places[b]) for a, b in itertools.pairwise(order)])
        later = np.linalg.norm(descriptors[_LATER:] - descriptors[:-_LATER], axis=1)
        if adjacent.sum() < _FEW_STEPS or np.median(steps[adjacent]) > _CORRELATED * np.median(later):
            continue
        for k in np.flatnonzero(adjacent):
            one, two = owned[group.members[order[k]]], owned[group.members[order[k + 1]]]
            for (split, frame), (other, _) in ((one, two), (two, one)):
                if split != first and other == first:
                    cut.setdefault(split, []).append(frame)
    for split, found in cut.items():
        frames = list({id(frame): frame for frame in found}.values())
        if len(frames) > _CUT_SHARE * len(splits[split]):
            yield AuditFinding(
                "cut-trajectory",
                "warning",
                f"{split} frames next to {first} frames in a trajectory whose successive frames are correlated: "
                f"{len(frames)} of {len(splits[split])}",
                "they are near-duplicates, so errors on them are smaller than on a new trajectory",
                "split the trajectory into blocks (potentials data split --by block), or test on another trajectory",
                tuple(frame.frame for frame in frames),
                {"share": len(frames) / len(splits[split])},
            )


def _follow(one: tuple[str, int], two: tuple[str, int]) -> bool:
    return one[0] == two[0] and two[1] - one[1] <= 2
