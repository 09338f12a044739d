"""Energies against forces along trajectories: from frame to frame the energy changes by the work of the forces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.units import explain_ratio
from potentials.data.label import LabelledFrame

LONGEST_STEP = 0.1
"""A; atoms that move farther between two frames leave the range where the trapezoid rule holds."""
_FEWEST_STEPS = 8
_CORRELATED = 0.8
_RATIO_TOLERANCE = 0.1
"""How far the ratio of energy change and work may be from one."""
_NOISE = 1e-3
"""eV; less work than that is that of energies converged no further."""
_SMALLEST_SHARE = 0.1
"""Of the curvature; displacements to and fro do no work, whose energies are equal by symmetry."""
_OUTLIER_SIGMAS = 10.0


@dataclass(frozen=True)
class Steps:
    """Pairs of successive frames of one file that are close to each other."""

    first: list[LabelledFrame]
    second: list[LabelledFrame]
    energy_changes: NDArray[np.float64]
    """E_2 - E_1, eV."""
    work: NDArray[np.float64]
    """-(F_1 + F_2) / 2 . (x_2 - x_1), eV: what the energy changes by if the forces are its."""
    curvature: NDArray[np.float64]
    """|(F_2 - F_1) . (x_2 - x_1)| / 2, eV: the size of what the mean of both forces averages out."""


def displacement(first: LabelledFrame, second: LabelledFrame) -> NDArray[np.float64] | None:
    """x_2 - x_1 [N, 3] in A by the nearest images; None where atoms, cell or periodicity are not the same."""
    one, two = first.frame.atoms, second.frame.atoms
    same = len(one) == len(two) and np.array_equal(one.numbers, two.numbers) and np.array_equal(one.pbc, two.pbc)
    if not same or (one.pbc.any() and not np.allclose(one.cell.array, two.cell.array, atol=1e-6)):
        return None
    moved = two.positions - one.positions
    return find_mic(moved, one.cell, one.pbc)[0] if one.pbc.any() else moved


def steps(frames: Sequence[LabelledFrame]) -> Steps:
    """The steps of all trajectories among the frames."""
    labelled = [frame for frame in frames if np.isfinite(frame.energy) and np.isfinite(frame.forces).all()]
    labelled.sort(key=lambda frame: (frame.frame.file, frame.frame.index))
    found = []
    for first, second in itertools.pairwise(labelled):
        if first.frame.file != second.frame.file or len(first.forces) < 2:
            continue
        moved = displacement(first, second)
        if moved is not None and 1e-5 < np.abs(moved).max() < LONGEST_STEP:
            work = -0.5 * float(((first.forces + second.forces) * moved).sum())
            curvature = 0.5 * abs(float(((second.forces - first.forces) * moved).sum()))
            found.append((first, second, second.energy - first.energy, work, curvature))
    return Steps(
        [step[0] for step in found],
        [step[1] for step in found],
        np.array([step[2] for step in found]),
        np.array([step[3] for step in found]),
        np.array([step[4] for step in found]),
    )


def robust_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope of y = k x and the correlation of both, without the points that lie far off.

    Points beyond five standard deviations (by the median absolute deviation) are left out, until none is.
    """
    kept = np.ones(len(x), dtype=bool)
    slope = 0.0
    for _ in range(10):
        slope = float(x[kept] @ y[kept] / max(float(x[kept] @ x[kept]), 1e-300))
        residuals = np.abs(y - slope * x)
        now = residuals <= 5 * 1.4826 * np.median(residuals[kept]) + 1e-12
        if np.array_equal(now, kept) or now.sum() < 3:
            break
        kept = now
    size = float(np.linalg.norm(x[kept]) * np.linalg.norm(y[kept]))
    return slope, float(x[kept] @ y[kept]) / size if size > 0 else 0.0


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def trajectory_findings(part: str, frames: Sequence[LabelledFrame]) -> Iterator[AuditFinding]:
    """Whether energies change by the work of the forces: in the mean, and in each step."""
    found = steps(frames)
    if len(found.work) < _FEWEST_STEPS:
        return
    slope, correlation = robust_slope(found.work, found.energy_changes)
    if abs(correlation) > _CORRELATED and abs(slope - 1) > _RATIO_TOLERANCE:
        atoms = float(np.mean([len(frame.forces) for frame in found.first]))
        yield AuditFinding(
            "energy-force-ratio",
            "error",
            f"{part}: from frame to frame the energies change by {slope:.4g} times the work of the forces, not by it",
            "energies and forces that contradict each other cannot both be learned",
            explain_ratio(slope, atoms),
            figures={"ratio": slope, "correlation": correlation, "steps": float(len(found.work))},
        )
    elif abs(correlation) < 0.5 and _rms(found.work) > max(_NOISE, _SMALLEST_SHARE * _rms(found.curvature)):
        yield AuditFinding(
            "energy-force-mismatch",
            "error",
            f"{part}: from frame to frame the changes of the energies have little to do with the work of the forces "
            f"(correlation {correlation:.2f} over {len(found.work)} steps)",
            "energies and forces that contradict each other cannot both be learned",
            "look whether both are of the same calculation and order of atoms, and whether energies hold something "
            "that forces do not (entropy, dispersion)",
            figures={"correlation": correlation, "steps": float(len(found.work))},
        )
    yield from _odd_steps(part, found, slope)


def _odd_steps(part: str, found: Steps, slope: float) -> Iterator[AuditFinding]:
    """Frames before and after which the energy jumps."""
    residuals = found.energy_changes - slope * found.work
    # The trapezoid rule errs with the cube of the step: larger work, larger error.
    size = np.abs(found.energy_changes) + found.curvature
    expected = 1.4826 * np.median(np.abs(residuals)) + 0.02 * size + 1e-4
    odd = np.abs(residuals) > _OUTLIER_SIGMAS * expected
    if not odd.any() or odd.mean() > 0.5:
        return
    frames = {id(frame): frame for k in np.flatnonzero(odd) for frame in (found.first[k], found.second[k])}
    yield AuditFinding(
        "energy-jump",
        "error",
        f"{part}: between {odd.sum()} pairs of successive frames the energy changes by up to "
        f"{np.abs(residuals[odd]).max():.3g} eV more than the forces can explain",
        "such frames were computed in another way than their neighbours, or did not converge",
        "compute one frame of each pair again, and look for what changed: settings, another electronic state",
        tuple(frame.frame for frame in frames.values()),
        {"largest_eV": float(np.abs(residuals[odd]).max())},
    )
