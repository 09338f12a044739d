"""What parts hold: elements, compositions, labels, isolated atoms, cells; and whether they cut trajectories apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.fingerprints import comparable
from potentials.data.geometry import heights, reduced_cell
from potentials.data.infer import composition_matrix, indistinguishable
from potentials.data.label import LabelledFrame

_CORRELATED = 0.3
"""Successive frames are correlated if they are so much closer to each other than frames ten steps apart. (Not those of
the whole file: these may be of another phase.)"""
_LATER = 10
_CUT_SHARE = 0.1
"""Of the frames of a part, from which on it is worth a word."""
_FEW_STEPS = 10


def coverage_findings(
    parts: Mapping[str, Sequence[LabelledFrame]], isolated: Sequence[LabelledFrame], cutoff: float
) -> Iterator[AuditFinding]:
    """Everything this file looks for.

    Args:
        parts: by name, the training frames first.
        isolated: frames of isolated atoms, of any part.
        cutoff: A, that the model will have.
    """
    yield from _elements(parts)
    yield from _compositions(parts)
    for part, frames in parts.items():
        yield from _missing_labels(part, frames)
        yield from _small_cells(part, frames, cutoff)
    first, frames = next(iter(parts.items()))
    yield from _isolated(first, frames, isolated)
    yield from cut_trajectories(parts)


def _symbols(frame: LabelledFrame) -> set[str]:
    return set(frame.frame.atoms.get_chemical_symbols())


def _elements(parts: Mapping[str, Sequence[LabelledFrame]]) -> Iterator[AuditFinding]:
    (first, trained), *others = parts.items()
    known = {symbol for frame in trained for symbol in _symbols(frame)}
    for part, frames in others:
        strange = [frame for frame in frames if _symbols(frame) - known]
        if strange:
            symbols = sorted({symbol for frame in strange for symbol in _symbols(frame)} - known)
            yield AuditFinding(
                "unseen-element",
                "error",
                f"the {part} frames hold {', '.join(symbols)}, which the {first} frames lack",
                "a model cannot learn an element it never sees",
                "train on it, or remove these frames",
                tuple(frame.frame for frame in strange),
            )


def _compositions(parts: Mapping[str, Sequence[LabelledFrame]]) -> Iterator[AuditFinding]:
    (first, trained), *others = parts.items()
    known = {_ratio(frame) for frame in trained}
    for part, frames in others:
        strange = [frame for frame in frames if _ratio(frame) not in known]
        if strange and len(strange) < len(frames):
            formulas = sorted({frame.frame.atoms.get_chemical_formula(empirical=True) for frame in strange})
            yield AuditFinding(
                "unseen-composition",
                "warning",
                f"{len(strange)} of {len(frames)} {part} frames have compositions that the {first} frames lack: "
                f"{', '.join(formulas[:6])}{', ...' if len(formulas) > 6 else ''}",
                "errors on them are errors of extrapolation, and mix with those on known compositions in one figure",
                "test on them apart, as a test set with a name of its own, if that is what is wanted",
                tuple(frame.frame for frame in strange),
            )


def _ratio(frame: LabelledFrame) -> str:
    return frame.frame.atoms.get_chemical_formula(empirical=True)


def _missing_labels(part: str, frames: Sequence[LabelledFrame]) -> Iterator[AuditFinding]:
    periodic = np.array([bool(frame.frame.atoms.pbc.all()) for frame in frames], dtype=bool)
    missing = {
        "energy": np.array([np.isnan(frame.energy) for frame in frames], dtype=bool),
        "forces": np.array([bool(np.isnan(frame.forces).all()) for frame in frames], dtype=bool),
        "stress": np.array([bool(np.isnan(frame.stress).all()) for frame in frames], dtype=bool) & periodic,
    }
    possible = {"energy": len(frames), "forces": len(frames), "stress": int(periodic.sum())}
    for name, lacks in missing.items():
        if 0 < lacks.sum() < possible[name]:  # where all lack it, it was never meant to be there
            yield AuditFinding(
                "missing-labels",
                "warning",
                f"{part}: {lacks.sum()} of {len(frames)} frames have no {name}",
                "they are left out of that part of the loss, so such structures count less than their number says",
                "nothing, if it is known; otherwise look whether the label has another name there",
                tuple(frame.frame for frame, lack in zip(frames, lacks, strict=True) if lack),
                {"share": float(lacks.mean())},
            )


def _small_cells(part: str, frames: Sequence[LabelledFrame], cutoff: float) -> Iterator[AuditFinding]:
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
            f"{part}: {len(small)} cells are thinner ({least:.3g} A) than the cutoff ({cutoff:g} A), so that atoms "
            "are their own neighbours",
            "neighbours that always move together teach less than as many independent ones, and a long-range part of "
            "the energy may be learned as a short-range one",
            "nothing, for perfect crystals; for anything disordered, add larger cells",
            tuple(small),
            {"least_A": least},
        )


def _isolated(part: str, frames: Sequence[LabelledFrame], isolated: Sequence[LabelledFrame]) -> Iterator[AuditFinding]:
    elements = sorted({symbol for frame in frames for symbol in _symbols(frame)})
    there = {symbol for frame in isolated if np.isfinite(frame.energy) for symbol in _symbols(frame)}
    missing = [symbol for symbol in elements if symbol not in there]
    labelled = [frame for frame in frames if np.isfinite(frame.energy)]
    if not missing or not labelled:
        return
    occurring, counts = composition_matrix(labelled, elements)
    ambiguity = indistinguishable(occurring, np.unique(counts, axis=0))
    vague = f", and {ambiguity}, so not even least squares can tell these apart" if ambiguity else ""
    yield AuditFinding(
        "isolated-atoms",
        "note",
        f"there is no isolated atom of {', '.join(missing)}{vague}",
        "without their energies those of dissociation, and of other compositions, are not fixed",
        "compute each element's atom at the level of the data, and name the file in data.isolated_atoms, if such "
        "energies matter",
    )


def cut_trajectories(parts: Mapping[str, Sequence[LabelledFrame]]) -> Iterator[AuditFinding]:
    """Frames that follow, in their file, on correlated frames of another part."""
    owned = [(part, frame) for part, frames in parts.items() for frame in frames]
    first = next(iter(parts))
    cut: dict[str, list[LabelledFrame]] = {}
    for group in comparable([frame.frame for _, frame in owned]):
        places = [(owned[k][1].frame.file, owned[k][1].frame.index) for k in group.members]
        order = sorted(range(len(places)), key=places.__getitem__)
        prints = group.fingerprints[order]
        steps = np.linalg.norm(np.diff(prints, axis=0), axis=1)
        adjacent = np.array([_follow(places[a], places[b]) for a, b in itertools.pairwise(order)])
        later = np.linalg.norm(prints[_LATER:] - prints[:-_LATER], axis=1)
        if adjacent.sum() < _FEW_STEPS or np.median(steps[adjacent]) > _CORRELATED * np.median(later):
            continue
        for k in np.flatnonzero(adjacent):
            one, two = owned[group.members[order[k]]], owned[group.members[order[k + 1]]]
            for (part, frame), (other, _) in ((one, two), (two, one)):
                if part != first and other == first:
                    cut.setdefault(part, []).append(frame)
    for part, found in cut.items():
        frames = list({id(frame): frame for frame in found}.values())
        if len(frames) > _CUT_SHARE * len(parts[part]):
            yield AuditFinding(
                "cut-trajectory",
                "warning",
                f"{len(frames)} of {len(parts[part])} {part} frames stand beside {first} frames in a trajectory whose "
                "successive frames are correlated",
                "they are almost known, so errors on them are smaller than on a new trajectory",
                "divide the trajectory in blocks (potentials data split --by block), or test on another one",
                tuple(frame.frame for frame in frames),
                {"share": len(frames) / len(parts[part])},
            )


def _follow(one: tuple[str, int], two: tuple[str, int]) -> bool:
    return one[0] == two[0] and two[1] - one[1] <= 2
