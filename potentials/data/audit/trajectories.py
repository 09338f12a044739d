"""Consistency of energies and forces along trajectories: energy changes equal the work of the forces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase.geometry import find_mic
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.units import explain_ratio
from potentials.data.label import LabeledFrame

LONGEST_STEP = 0.1
"""A; for larger displacements between two frames the trapezoid rule does not hold."""
_FEWEST_STEPS = 8
_CORRELATED = 0.8
_RATIO_TOLERANCE = 0.1
"""Largest deviation of the ratio of energy change and work from one."""
_NOISE = 1e-3
"""eV; less work is within the noise of the energies."""
_SMALLEST_SHARE = 0.1
"""Fraction of the curvature; less work is done by oscillations between points of equal energy."""
_OUTLIER_SIGMAS = 10.0


@dataclass(frozen=True)
class Steps:
    """Pairs of successive frames of one file that are close to each other."""

    first: list[LabeledFrame]
    second: list[LabeledFrame]
    energy_changes: NDArray[np.float64]
    """E_2 - E_1, eV."""
    work: NDArray[np.float64]
    """-(F_1 + F_2) / 2 . (x_2 - x_1), eV: the energy change if the forces are its negative gradient."""
    curvature: NDArray[np.float64]
    """|(F_2 - F_1) . (x_2 - x_1)| / 2, eV: the part that cancels in the mean of both forces."""


def displacement(first: LabeledFrame, second: LabeledFrame) -> NDArray[np.float64] | None:
    """Return x_2 - x_1 [N, 3] in A by minimum image; None where atoms, cell or periodicity differ."""
    one, two = first.frame.atoms, second.frame.atoms
    same = len(one) == len(two) and np.array_equal(one.numbers, two.numbers) and np.array_equal(one.pbc, two.pbc)
    if not same or (one.pbc.any() and not np.allclose(one.cell.array, two.cell.array, atol=1e-6)):
        return None
    moved = two.positions - one.positions
    return find_mic(moved, one.cell, one.pbc)[0] if one.pbc.any() else moved


def steps(frames: Sequence[LabeledFrame]) -> Steps:
    """Return the steps of all trajectories among the frames."""
    labeled = [frame for frame in frames if np.isfinite(frame.energy) and np.isfinite(frame.forces).all()]
    labeled.sort(key=lambda frame: (frame.frame.file, frame.frame.index))
    found = []
    for first, second in itertools.pairwise(labeled):
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
    """Fit y = k x without outliers; return the slope k and the correlation of x and y.

    Points beyond five standard deviations (from the median absolute deviation) are removed until none is left.
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


def trajectory_findings(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Compare energy changes with the work of the forces: on average, and in each step."""
    found = steps(frames)
    if len(found.work) < _FEWEST_STEPS:
        return
    slope, correlation = robust_slope(found.work, found.energy_changes)
    if abs(correlation) > _CORRELATED and abs(slope - 1) > _RATIO_TOLERANCE:
        atoms = float(np.mean([len(frame.forces) for frame in found.first]))
        yield AuditFinding(
            "energy-force-ratio",
            "error",
            f"{split}: from frame to frame the energies change by {slope:.4g} times the work of the forces, expected 1",
            "inconsistent energies and forces cannot both be learned",
            explain_ratio(slope, atoms),
            figures={"ratio": slope, "correlation": correlation, "steps": float(len(found.work))},
        )
    elif abs(correlation) < 0.5 and _rms(found.work) > max(_NOISE, _SMALLEST_SHARE * _rms(found.curvature)):
        yield AuditFinding(
            "energy-force-mismatch",
            "error",
            f"{split}: from frame to frame the energy changes hardly correlate with the work of the forces "
            f"(correlation {correlation:.2f} over {len(found.work)} steps)",
            "inconsistent energies and forces cannot both be learned",
            "check that energies and forces are of the same calculation and atom order, and that the energies contain "
            "no term that is missing in the forces (entropy, dispersion)",
            figures={"correlation": correlation, "steps": float(len(found.work))},
        )
    yield from _odd_steps(split, found, slope)


def _odd_steps(split: str, found: Steps, slope: float) -> Iterator[AuditFinding]:
    """Yield pairs of frames between which the energy jumps."""
    residuals = found.energy_changes - slope * found.work
    # The error of the trapezoid rule grows with the cube of the step: larger work, larger error.
    size = np.abs(found.energy_changes) + found.curvature
    expected = 1.4826 * np.median(np.abs(residuals)) + 0.02 * size + 1e-4
    odd = np.abs(residuals) > _OUTLIER_SIGMAS * expected
    if not odd.any() or odd.mean() > 0.5:
        return
    frames = {id(frame): frame for k in np.flatnonzero(odd) for frame in (found.first[k], found.second[k])}
    yield AuditFinding(
        "energy-jump",
        "error",
        f"{split}: in {odd.sum()} pairs of successive frames, the energy changes by up to "
        f"{np.abs(residuals[odd]).max():.3g} eV more than the forces can explain",
        "such frames were computed differently from their neighbors, or did not converge",
        "recompute one frame of each pair, and check for changed settings or another electronic state",
        tuple(frame.frame for frame in frames.values()),
        {"largest_eV": float(np.abs(residuals[odd]).max())},
    )
