"""Comparison of the data with a fitted model: mixed levels of theory, units of energies and of stresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from potentials.config.data.labels import SixOrder
from potentials.config.messages.descriptions import counted
from potentials.data.audit.finding import AuditFinding
from potentials.data.audit.trajectories import robust_slope
from potentials.data.audit.units import explain_ratio, explain_stress
from potentials.data.geometry import structure_descriptor
from potentials.data.label.label_values import find_value, stress_matrix
from potentials.data.label.labels import LabeledFrame
from potentials.data.read.frames import Frame
from potentials.setup.audit.probe import Probe

USABLE_ERROR = 0.3
"""Relative force error above which the model is not used."""
_CORRELATED = 0.8
_RATIO_TOLERANCE = 0.25
_FEWEST = 10
"""Least number of frames of one composition and group for a median."""
_FEWEST_OF_CLASS = 3
_SMALLEST_VARIATION = 1e-3
"""eV/atom; less variation, as predicted from the forces, is not significant."""
_APART = 3.0
"""Least ratio of the distance of two separate clusters of structures to that of nearest frames in one."""
_GAP_SIGMAS = 3.0
"""Least gap between two levels of theory, in standard deviations of either cluster."""
_SMALLEST_SHARE = 0.05
_SMALLEST_GAP = 0.003
"""eV/atom."""
_OUTLIER_SIGMAS = 12.0
_SMALLEST_OUTLIER = 0.01
"""eV/atom."""
_STRESS_CORRELATED = 0.7
_ORDERS: tuple[SixOrder, ...] = ("xx yy zz yz xz xy", "xx yy zz xy yz xz", "xx yy zz xy xz yz")
_STRESS_TOLERANCE = 0.4
_DOUBT_SIGMAS = 5.0
"""Deviation of a slope from one that may be due to errors of the model."""
_LARGEST_DOUBT = 0.9
"""Uncertainty of a slope, above which correct labels cannot be distinguished from unrelated ones (slope 0)."""
_PRECISE = 0.3
"""Uncertainty of predictions, in units of their variation, below which they must correlate with the labels."""


def energy_findings(split: str, probe: Probe) -> Iterator[AuditFinding]:
    """Compare energies with those predicted from the forces, up to a constant per composition and group."""
    labeled = np.array([np.isfinite(frame.energy) for frame in probe.frames])
    if labeled.sum() < _FEWEST or probe.force_error > USABLE_ERROR:
        return
    energies, predicted = _centered(probe, labeled)
    atoms = np.array([len(frame.forces) for frame in probe.frames])
    judged = _judged(probe)
    if len(judged) < _FEWEST or np.std(predicted[judged] / atoms[judged]) < _SMALLEST_VARIATION:
        return
    slope, correlation = robust_slope(predicted[judged], energies[judged])
    doubt = slope_doubt(predicted[judged], _centered_deviations(probe)[judged])
    if doubt.slope > _LARGEST_DOUBT:
        yield _too_few(split, "energies and forces", len(judged), doubt)
        return
    if abs(correlation) > _CORRELATED and abs(slope - 1) > max(_RATIO_TOLERANCE, doubt.slope):
        yield AuditFinding(
            "energy-force-ratio",
            "error",
            f"{split}: energy differences are {slope:.3g} times those predicted from the forces (by a model "
            "fitted to forces only)",
            "inconsistent energies and forces cannot both be learned",
            explain_ratio(slope, float(atoms[judged].mean())),
            figures={"ratio": slope, "correlation": correlation},
        )
    elif abs(correlation) < 0.5 and doubt.share < _PRECISE:
        yield AuditFinding(
            "energy-force-mismatch",
            "error",
            f"{split}: energies hardly correlate with those predicted from the forces (correlation "
            f"{correlation:.2f}; model fitted to forces only)",
            "inconsistent energies and forces cannot both be learned",
            "check that both belong to the same calculation and the same frame",
            figures={"correlation": correlation},
        )
        return
    yield from _odd_energies(split, probe, (energies - slope * predicted) / atoms)


@dataclass(frozen=True)
class Doubt:
    """Uncertainty of a probe's predictions in the comparison with labels."""

    slope: float
    """Possible deviation of the slope from one for correct labels."""
    share: float
    """Standard deviation of the predictions, in units of their variation."""


def slope_doubt(predicted: NDArray[np.float64], deviations: NDArray[np.float64]) -> Doubt:
    """Estimate the uncertainty of k in y = k x, for correct labels y and predictions x = y + d with covariance D D^T.

    k - 1 = -x.d / x.x, with the standard deviation |D^T x| / x.x.

    Args:
        predicted: x [n].
        deviations: D [n, K].
    """
    size = max(float(predicted @ predicted), 1e-300)
    return Doubt(
        _DOUBT_SIGMAS * float(np.linalg.norm(deviations.T @ predicted)) / size,
        float(np.linalg.norm(deviations)) / size**0.5,
    )


def _too_few(split: str, what: str, frames: int, doubt: Doubt) -> AuditFinding:
    return AuditFinding(
        "not-compared",
        "note",
        f"{split}: {what} were not compared: {frames} frames are too few; the uncertainty of the small model's "
        f"predictions is {100 * doubt.share:.0f} % of their variation",
        "without this comparison, wrong units, wrong signs and mixed levels of theory are not detected",
        "check them by other means, or repeat the audit with more frames",
        figures={"frames": float(frames), "uncertainty": doubt.share},
    )


def _centered_deviations(probe: Probe) -> NDArray[np.float64]:
    """Compute deviations as in `_centered`, with means in place of medians."""
    deviations = probe.energy_deviations.copy()
    for members in _classes(probe).values():
        deviations[members] -= deviations[members].mean(axis=0)
    return deviations


def _classes(probe: Probe) -> dict[tuple[str, str], NDArray[np.int64]]:
    """Group the frames with an energy by composition and group."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, frame in enumerate(probe.frames):
        if np.isfinite(frame.energy):
            found.setdefault((frame.frame.atoms.get_chemical_formula(), frame.group), []).append(number)
    return {key: np.array(members) for key, members in found.items()}


def _judged(probe: Probe) -> NDArray[np.int64]:
    """Return the frames of classes with enough others: the median of one or two frames is not independent of them."""
    members = [own for own in _classes(probe).values() if len(own) >= _FEWEST_OF_CLASS]
    return np.concatenate(members) if members else np.array([], dtype=np.int64)


def _centered(probe: Probe, labeled: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return energies, labeled and predicted from the forces, relative to their medians in each class, eV."""
    energies = np.array([frame.energy for frame in probe.frames])
    predicted = probe.energies_by_forces.copy()
    for members in _classes(probe).values():
        offset = np.median(energies[members] - predicted[members])
        center = np.median(predicted[members])
        predicted[members] -= center
        energies[members] -= offset + center
    return np.where(labeled, energies, 0.0), predicted


def _odd_energies(split: str, probe: Probe, residuals: NDArray[np.float64]) -> Iterator[AuditFinding]:
    """Yield deviating frames: a second cluster, or single ones. Residuals are in eV/atom."""
    second: list[Frame] = []
    single: list[Frame] = []
    basins = True
    gap = largest = 0.0
    for members in _classes(probe).values():
        if len(members) < _FEWEST:
            continue
        values = residuals[members]
        boundary = level_gap(values)
        if boundary is not None:
            low, high = values < boundary, values > boundary
            fewer = low if low.sum() <= high.sum() else high
            gap = max(gap, abs(float(np.median(values[low]) - np.median(values[high]))))
            frames = [probe.frames[k].frame for k in members]
            basins = basins and _are_apart(frames, fewer)
            second += [frame for frame, chosen in zip(frames, fewer, strict=True) if chosen]
            continue
        sigma = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        off = np.abs(values - np.median(values))
        odd = off > max(_OUTLIER_SIGMAS * sigma, _SMALLEST_OUTLIER)
        single += [probe.frames[k].frame for k in members[odd]]
        largest = max([largest, *off[odd].tolist()])
    if second:
        yield _mixed_levels(split, second, gap, basins)
    if single:
        yield AuditFinding(
            "energy-outlier",
            "warning",
            f"{split}: the energies of {counted(len(single), 'frame')} deviate by up to {1e3 * largest:.3g} meV/atom "
            "from those predicted by a model fitted to the forces of all frames",
            "even a few wrong energies bias the fit and the reference energies",
            "check these frames for another electronic state, an unconverged calculation or the energy of another "
            "frame; energies of structures unlike all others may be correct",
            tuple(single),
            {"largest_eV_per_atom": largest},
        )


def _are_apart(frames: Sequence[Frame], chosen: NDArray[np.bool_]) -> bool:
    """Return whether the chosen frames differ from the rest in structure, as do isomers or phases."""
    descriptors = np.array([structure_descriptor(frame.atoms) for frame in frames])
    across = cdist(descriptors[chosen], descriptors[~chosen]).min(axis=1)
    own = cdist(descriptors[~chosen], descriptors[~chosen])
    np.fill_diagonal(own, np.inf)
    return float(np.median(across)) > _APART * float(np.median(own.min(axis=1)))


def _mixed_levels(split: str, frames: Sequence[Frame], gap: float, basins: bool) -> AuditFinding:
    if basins:
        return AuditFinding(
            "mixed-levels",
            "note",
            f"{split}: energies of the same composition form two clusters, {1e3 * gap:.4g} meV/atom apart, and "
            "their structures form two clusters too: either separate isomers or phases, or two levels of theory",
            "the two cases cannot be distinguished from the data",
            "check that both were computed in the same way; if both are correct, give each its own configuration group "
            "(data.group_key)",
            tuple(frames),
            {"gap_eV_per_atom": gap},
        )
    return AuditFinding(
        "mixed-levels",
        "error",
        f"{split}: energies of the same composition form two clusters, {1e3 * gap:.4g} meV/atom apart, "
        "which the forces do not explain",
        "a model can learn one level of theory only; the difference between two acts as noise",
        "find out what differs for the frames listed here (functional, basis, dispersion, smearing, "
        "program), and recompute or remove them",
        tuple(frames),
        {"gap_eV_per_atom": gap},
    )


def level_gap(values: NDArray[np.float64]) -> float | None:
    """Return the gap between two clusters of numbers if it is wider than either; None otherwise."""
    ordered = np.sort(values)
    fewest = max(3, int(np.ceil(_SMALLEST_SHARE * len(ordered))))
    inner = np.arange(fewest, len(ordered) - fewest + 1)
    if not len(inner):
        return None
    gaps = ordered[inner] - ordered[inner - 1]
    cut = int(inner[np.argmax(gaps)])
    spread = max(float(ordered[:cut].std()), float(ordered[cut:].std()))
    if gaps.max() <= max(_GAP_SIGMAS * spread, _SMALLEST_GAP):
        return None
    return float((ordered[cut - 1] + ordered[cut]) / 2)


def stress_findings(split: str, probe: Probe) -> Iterator[AuditFinding]:
    """Compare the stresses with those of the model to check their unit and sign."""
    pairs = [
        (frame, s) for frame, s in zip(probe.frames, probe.stresses, strict=True) if np.isfinite(frame.stress).all()
    ]
    pairs = [(frame, s) for frame, s in pairs if np.isfinite(s).all()]
    if len(pairs) < 5 or probe.force_error > USABLE_ERROR:
        return
    slope, correlation = _compare(np.array([frame.stress for frame, _ in pairs]), np.array([s for _, s in pairs]))
    doubt = slope_doubt(probe.stresses[probe.sampled].ravel(), probe.stress_deviations)
    if doubt.slope > _LARGEST_DOUBT:
        yield _too_few(split, "stresses", len(pairs), doubt)
        return
    if abs(correlation) > _STRESS_CORRELATED and abs(slope - 1) > max(_STRESS_TOLERANCE, doubt.slope):
        yield AuditFinding(
            "stress-unit",
            "error",
            f"{split}: the stresses are {slope:.3g} times those of a model fitted to energies and forces",
            "a wrong unit or sign of the stress corrupts training, including forces",
            f"the ratio indicates {explain_stress(slope)}; compare with energies of strained cells",
            figures={"ratio": slope, "correlation": correlation},
        )
    elif abs(correlation) < 0.3 and doubt.share < _PRECISE:
        yield AuditFinding(
            "stress-mismatch",
            "warning",
            f"{split}: the stresses hardly correlate with those of a model fitted to energies and forces (correlation "
            f"{correlation:.2f})",
            "stresses in other axes, with components in another order, or of another structure cannot be learned",
            "check data.stress: the order of the six components, and the conversion",
            figures={"correlation": correlation},
        )


def undeclared_stress(split: str, key: str, probe: Probe | None) -> AuditFinding:
    """Describe an undeclared stress or virial: its likely unit and sign, if there is a model to compare with."""
    frames = []
    if probe is not None:
        known = zip(probe.frames, probe.stresses, strict=True)
        frames = [(frame, s) for frame, s in known if np.isfinite(s).all() and _is_stress(frame, key)]
    return AuditFinding(
        "undeclared-stress",
        "warning",
        f'{split}: the frames have an entry "{key}" that is not declared: its unit, sign and order are unknown',
        "stress labels improve elastic properties, but a wrong unit or sign silently corrupts training",
        f"{_guesses(key, frames, probe)}; declare it in data.stress or data.virial once it is known",
        figures={"frames": float(len(frames))},
    )


def _is_stress(frame: LabeledFrame, key: str) -> bool:
    """Return whether the entry has six or nine numbers."""
    value = np.asarray(find_value(frame.frame.atoms, key))
    return np.issubdtype(value.dtype, np.number) and value.size in (6, 9) and bool(np.isfinite(value).all())


def _guesses(key: str, frames: Sequence[tuple[LabeledFrame, NDArray]], probe: Probe | None) -> str:
    """Describe the likely unit and sign of all values, and the order of six numbers in each group."""
    if probe is None or probe.force_error > USABLE_ERROR or len(frames) < 3:
        return "ask the authors of the data"
    sizes = {np.asarray(find_value(frame.frame.atoms, key)).size for frame, _ in frames}
    if len(sizes) > 1:
        return "some frames have six numbers and others nine: ask the authors of the data"
    is_virial = "virial" in key.lower() and "stress" not in key.lower()
    predicted = np.array([s * frame.frame.atoms.get_volume() if is_virial else s for frame, s in frames])
    values = [np.asarray(find_value(frame.frame.atoms, key), dtype=float) for frame, _ in frames]
    matrices = {order: np.array([stress_matrix(value, order) for value in values]) for order in _ORDERS}
    diagonal = np.eye(3, dtype=bool)
    slope, correlation = robust_slope(predicted[:, diagonal].ravel(), matrices[_ORDERS[0]][:, diagonal].ravel())
    if abs(correlation) < _STRESS_CORRELATED:
        return "it matches no common unit and sign: ask the authors of the data"
    estimate = f"a comparison with a model fitted to energies and forces indicates {explain_stress(slope, is_virial)}"
    if values[0].size != 6:
        return estimate
    by_order: dict[str, list[str]] = {}
    groups = np.array([frame.group for frame, _ in frames])
    for group in np.unique(groups):
        chosen = groups == group
        order = _order(predicted[chosen], {name: matrix[chosen] for name, matrix in matrices.items()}, np.sign(slope))
        by_order.setdefault(order, []).append(str(group))
    if len(by_order) == 1:
        return f"{estimate}, order: {next(iter(by_order))}"
    each = "; ".join(f"{order} in {', '.join(of_order)}" for order, of_order in by_order.items())
    return f"{estimate}, and the order of the components differs from group to group ({each})"


def _order(predicted: NDArray[np.float64], matrices: Mapping[str, NDArray[np.float64]], sign: float) -> str:
    """Return the order in which the off-diagonal components agree best; `unknown` if they do not agree."""
    beside = np.triu(np.ones((3, 3), dtype=bool), 1)
    agreement = {
        order: sign * _correlation(predicted[:, beside].ravel(), matrix[:, beside].ravel())
        for order, matrix in matrices.items()
    }
    best = max(agreement, key=agreement.__getitem__)
    return best if agreement[best] > _STRESS_CORRELATED else "unknown"


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size > 0 else 0.0


def _compare(values: NDArray[np.float64], predicted: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of the values over the predictions, and their correlation, over all components."""
    return robust_slope(predicted.ravel(), values.ravel())
