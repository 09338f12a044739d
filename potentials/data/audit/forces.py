"""Forces that cannot be right: outliers, zeros in place of missing values, nonzero net forces and torques."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.geometry import neighbor_vectors
from potentials.data.label import LabeledFrame

OUTLIER_FACTOR = 10.0
"""Least ratio of an outlier, the largest force of a frame, to the usual largest force."""
_OUTLIER_SIGMAS = 8.0
"""Least distance of an outlier from the median in standard deviations (of the logarithm, from the median absolute
deviation)."""
_NOISE = 0.1
"""eV/A; forces of perfect crystals are smaller, and are left out of the usual force."""
_FEW = 0.05
"""Fraction of the frames; more are not outliers but another kind of structures."""
NET_FORCE_SHARE = 0.05
"""Fraction of the sum that independent forces of the same size would have."""
_SMALLEST_NET_FORCE = 0.05
"""eV/A per atom, root mean square; a smaller net force is numerical noise of the calculation."""
_SYMMETRIC = 1e-3
"""A; largest distance from the neighbors' weighted mean position at a site where symmetry forbids forces."""


def force_findings(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Yield all findings of this file."""
    known = [frame for frame in frames if np.isfinite(frame.forces).any() and len(frame.forces) > 1]
    if known:
        yield from _outliers(split, known)
    labeled = [frame for frame in known if np.isfinite(frame.forces).all()]
    if labeled:
        yield from _zeros(split, labeled)
        yield from _net_forces(split, labeled)
        yield from _torques(split, labeled)


def largest_forces(frames: Sequence[LabeledFrame]) -> NDArray[np.float64]:
    """Return the largest |F| of each frame in eV/A, [frames]; NaN components count as zero."""
    return np.array([np.linalg.norm(np.nan_to_num(frame.forces), axis=1).max() for frame in frames])


def _outliers(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    largest = largest_forces(frames)
    logarithms = np.log(largest[largest > 0])
    if len(logarithms) < 5:
        return
    center = max(float(np.median(logarithms)), float(np.log(_NOISE)))
    sigma = 1.4826 * float(np.median(np.abs(logarithms - center)))
    limit = float(np.exp(center + max(_OUTLIER_SIGMAS * sigma, np.log(OUTLIER_FACTOR))))
    found = [frame for frame, force in zip(frames, largest, strict=True) if force > limit]
    if 0 < len(found) <= max(1, _FEW * len(frames)):
        yield AuditFinding(
            "force-outlier",
            "error",
            f"{split}: forces up to {largest.max():.4g} eV/A, while the largest force in a frame is typically "
            f"{np.exp(center):.3g} eV/A",
            "squared errors of a few such atoms outweigh all others",
            "check these frames for unconverged calculations, wrong units and colliding atoms; remove or recompute "
            "them",
            tuple(frame.frame for frame in found),
            {"largest_eV_per_A": float(largest.max()), "usual_eV_per_A": float(np.exp(center))},
        )


def _zeros(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    found = [frame for frame in frames if not frame.forces.any() and not _forces_vanish_by_symmetry(frame)]
    if found:
        yield AuditFinding(
            "zero-forces",
            "error",
            f"{split}: all forces are exactly zero, although they do not vanish by symmetry",
            "with zeros in place of missing forces, the model learns that every such structure is in equilibrium",
            "remove the forces of these frames from the file",
            tuple(frame.frame for frame in found),
        )


def _forces_vanish_by_symmetry(frame: LabeledFrame, cutoff: float = 6.0) -> bool:
    """Return whether the neighbors of every atom are so symmetric that any central forces cancel."""
    atoms = frame.frame.atoms
    (sender, receiver), vectors = neighbor_vectors(atoms, cutoff)
    distances = np.linalg.norm(vectors, axis=1)
    for decay in (1.0, 2.5):
        weights = np.exp(-distances / decay) * (1 + atoms.numbers[sender] / 10) * (1 - distances / cutoff) ** 2
        total = np.zeros((len(atoms), 3))
        np.add.at(total, receiver, vectors * weights[:, None])
        if np.abs(total).max() > _SYMMETRIC:
            return False
    return True


def _net_forces(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Compare |sum_i F_i| with sqrt(sum_i |F_i|^2)."""
    net = np.array([np.linalg.norm(frame.forces.sum(axis=0)) for frame in frames])
    size = np.array([np.linalg.norm(frame.forces) for frame in frames])
    atoms = np.array([len(frame.forces) for frame in frames])
    wrong = (net > NET_FORCE_SHARE * size) & (net > _SMALLEST_NET_FORCE * np.sqrt(atoms))
    if wrong.any():
        yield AuditFinding(
            "net-force",
            "warning",
            f"{split}: the forces do not add up to zero in {wrong.sum()} of {len(frames)} frames; the largest sum is "
            f"{net[wrong].max():.3g} eV/A",
            "forces of an energy that depends only on relative positions add up to zero, so no model can learn these",
            "check for an external field or constraint, too coarse a grid, or forces of another frame or another order "
            "of the atoms",
            tuple(frame.frame for frame, bad in zip(frames, wrong, strict=True) if bad),
            {"largest_eV_per_A": float(net[wrong].max())},
        )


def _torques(split: str, frames: Sequence[LabeledFrame]) -> Iterator[AuditFinding]:
    """Compare |sum_i (r_i - r) x F_i| with sqrt(sum_i |r_i - r|^2 |F_i|^2) for structures that are not periodic."""
    found, largest = [], 0.0
    for frame in frames:
        if frame.frame.atoms.pbc.any():
            continue
        arms = frame.frame.atoms.positions - frame.frame.atoms.positions.mean(axis=0)
        torque = np.linalg.norm(np.cross(arms, frame.forces).sum(axis=0))
        size = float(np.sqrt((np.square(arms).sum(axis=1) * np.square(frame.forces).sum(axis=1)).sum()))
        extent = float(np.sqrt(np.square(arms).sum(axis=1).mean()))
        if torque > NET_FORCE_SHARE * size and torque > _SMALLEST_NET_FORCE * extent * np.sqrt(len(arms)):
            found.append(frame.frame)
            largest = max(largest, float(torque))
    if found:
        yield AuditFinding(
            "net-torque",
            "warning",
            f"{split}: the torques do not add up to zero in {len(found)} of {len(frames)} frames; the largest sum is "
            f"{largest:.3g} eV",
            "the torques of an isolated molecule add up to zero, so no rotation-invariant model can learn these",
            "check for forces and positions in different orientations, an external field, or a periodic structure that "
            "lost its periodicity",
            tuple(found),
            {"largest_eV": largest},
        )
