"""Energies far from those expected from composition and structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.forces import largest_forces
from potentials.data.geometry import neighbor_vectors
from potentials.data.infer import composition_matrix
from potentials.data.label import LabeledFrame

_SIGMAS = 10.0
"""Least deviation of an outlier, in standard deviations (from the median absolute deviation)."""
_LOOKED_AT = (4.0, 6.0, 10.0)
"""The same for the fit of compositions alone; frames beyond it are compared by structure."""
_SMALLEST = 0.02
"""eV/atom."""
_FEW = 0.05
"""Fraction of the frames; more are not outliers but another kind of structures."""
_ABSURD = 20.0
"""eV/atom; a larger deviation from structures of the same elements is unphysical."""
_LARGE_FORCES = 85.0
"""Percentile of the largest forces of frames; beyond it a high energy may be correct."""
_DECAYS = (2.0, 4.0, 8.0, 16.0)
"""Decay constants of the exponentials of distance, in units of the sum of covalent radii, that describe structures:
attraction and repulsion of pairs."""
_CUTOFF = 4.5
_MOST_COMPARED = 300
_ITERATIONS = 60


def energy_outlier_findings(splits: Mapping[str, Sequence[LabeledFrame]]) -> Iterator[AuditFinding]:
    """Yield frames with outlying energies, by regression over the frames of all sets together.

    First, energies per atom are fitted to element fractions by least absolute residuals, which is robust against
    single wrong energies. Each frame far off this fit is then predicted from all other frames by element fractions and
    neighbor distances; structures unlike all others get a margin that grows with the leverage of this regression.
    """
    owned = [
        (split, frame)
        for split, frames in splits.items()
        for frame in frames
        if np.isfinite(frame.energy) and frame.weight * frame.energy_weight > 0
    ]
    frames = [frame for _, frame in owned]
    if not frames:
        return
    elements = sorted({symbol for frame in frames for symbol in frame.frame.atoms.get_chemical_symbols()})
    _, counts = composition_matrix(frames, elements)
    sizes = counts.sum(axis=1)
    if len(frames) < 3 * counts.shape[1] + 5:  # too few to define the usual deviation
        return
    shares, energies = counts / sizes[:, None], np.array([frame.energy for frame in frames]) / sizes
    residuals = energies - shares @ least_absolute(shares, energies)
    far = _few_far(residuals)
    if not len(far):
        return
    off = _unexplained(frames, shares, energies, far)
    for split in splits:
        of_split = [k for k in off if owned[k][0] == split]
        if of_split:
            count = sum(1 for owner, _ in owned if owner == split)
            yield _finding(split, [frames[k] for k in of_split], count, max(off[k] for k in of_split))


def _few_far(residuals: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the frames to examine; none where there are too many at any limit."""
    sigma = 1.4826 * float(np.median(np.abs(residuals)))
    for sigmas in _LOOKED_AT:
        far = np.flatnonzero(np.abs(residuals) > max(sigmas * sigma, _SMALLEST))
        if len(far) <= max(1, _FEW * len(residuals)):
            return far
    return np.array([], dtype=np.int64)


def least_absolute(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minimize sum_i |matrix x - target|_i over x by iteratively reweighted least squares.

    Args:
        matrix: [n, p].
        target: [n].
    """
    residuals = target - np.median(target)
    solution = np.zeros(matrix.shape[1])
    for _ in range(_ITERATIONS):
        size = np.abs(residuals)
        weights = 1 / np.sqrt(np.maximum(size, 1e-6 * np.median(size) + 1e-12))
        before = solution
        solution = np.linalg.lstsq(matrix * weights[:, None], target * weights, rcond=1e-10)[0]
        residuals = target - matrix @ solution
        if np.allclose(solution, before, rtol=1e-9, atol=1e-9):
            break
    return solution


def _unexplained(
    frames: Sequence[LabeledFrame],
    shares: NDArray[np.float64],
    energies: NDArray[np.float64],
    far: NDArray[np.int64],
) -> dict[int, float]:
    """Return which of the frames `far` are not explained by their structure, and by how many eV/atom they are off."""
    others = np.setdiff1d(np.arange(len(frames)), far)
    others = others[np.unique(np.linspace(0, len(others) - 1, _MOST_COMPARED).astype(int))]
    usual, forces = largest_forces([frames[k] for k in others]), largest_forces([frames[k] for k in far])
    described = [shares]
    if len(others) >= 2 * (shares.shape[1] + len(_DECAYS)):
        described.append(np.full((len(frames), len(_DECAYS)), np.nan))
        for k in (*others, *far):
            described[1][k] = _neighbors(frames[k])
    rows = np.concatenate(described, axis=1)
    solution = least_absolute(rows[others], energies[others])
    residuals = energies - rows @ solution
    errors = np.abs(residuals)
    strained = (forces > np.percentile(usual, _LARGE_FORCES) + 1e-6) & (residuals[far] > 0)
    sigma = max(1.4826 * float(np.median(errors[others])), _SMALLEST / _SIGMAS)
    inverse = np.linalg.pinv(rows[others].T @ rows[others], rcond=1e-10)
    leverage = np.einsum("ki,ij,kj->k", rows[far], inverse, rows[far])
    unknown = np.abs(rows[far] - rows[far] @ inverse @ (rows[others].T @ rows[others])).max(axis=1) > 1e-6
    wrong = (errors[far] > _SIGMAS * sigma * (1 + leverage)) & ~strained & ~unknown
    wrong |= (errors[far] > _ABSURD) & ~unknown
    return {int(k): float(errors[k]) for k in far[wrong]}


def _neighbors(frame: LabeledFrame) -> NDArray[np.float64]:
    """sum_ij exp(-k (r_ij / (R_i + R_j) - 1)) (1 - (r_ij / c)^2)^2 / N for each decay k, with covalent radii R."""
    atoms = frame.frame.atoms
    (sender, receiver), vectors = neighbor_vectors(atoms, _CUTOFF)
    r = np.linalg.norm(vectors, axis=1)
    radii = covalent_radii[atoms.numbers]
    functions = np.exp(-np.array(_DECAYS) * (r / (radii[sender] + radii[receiver]) - 1)[:, None])
    return (functions * ((1 - (r / _CUTOFF) ** 2) ** 2)[:, None]).sum(axis=0) / len(atoms)


def _finding(split: str, frames: Sequence[LabeledFrame], count: int, largest: float) -> AuditFinding:
    size = f"{largest:.4g} eV/atom" if largest >= 1 else f"{1e3 * largest:.3g} meV/atom"
    return AuditFinding(
        "energy-outlier",
        "warning",
        f"{split}: the energies in {len(frames)} of {count} frames deviate by up to {size} from those predicted from "
        "composition and interatomic distances by a fit to the other frames",
        "even a few wrong energies bias the fit and the reference energies",
        "check these frames for another electronic state, an unconverged calculation or an energy of another frame; "
        "energies of structures unlike all others may be correct",
        tuple(frame.frame for frame in frames),
        {"largest_eV_per_atom": largest},
    )
