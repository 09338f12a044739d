"""Summary of a study in numbers and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.config.messages.descriptions import counted
from potentials.studies.comparisons import Comparison, compare
from potentials.studies.curves import PowerLaw, fit_power_law
from potentials.studies.results import RunResult, num_parameters
from potentials.studies.runs import Plan
from potentials.studies.study import Metric

METRICS: dict[Metric, tuple[str, str]] = {
    "forces_rmse": ("force error (RMSE)", "meV/A"),
    "forces_mae": ("force error (MAE)", "meV/A"),
    "energy_per_atom_rmse": ("energy error (RMSE)", "meV/atom"),
    "energy_per_atom_mae": ("energy error (MAE)", "meV/atom"),
}
"""Name of each error, and the unit in which it is shown: a thousandth of the stored one."""


@dataclass(frozen=True)
class Curve:
    """Errors of one variant as a function of the number of training frames."""

    variant: str
    parameters: int
    points: dict[int, list[float]]
    """Errors of all seeds by number of frames, meV/A or meV/atom."""
    law: PowerLaw | None

    def mean(self, size: int) -> float:
        """Return the geometric mean over the seeds."""
        return float(np.exp(np.mean(np.log(self.points[size]))))


@dataclass(frozen=True)
class Summary:
    """All curves of a study, for the runs finished so far."""

    metric: Metric
    curves: list[Curve]
    results: list[RunResult]
    missing: int
    """Number of runs that are not finished."""
    comparisons: list[Comparison]
    """Comparisons requested by the study."""


def summarize(plan: Plan, results: Sequence[RunResult]) -> Summary:
    """Return the curves of the finished runs, in the order of the variants.

    Runs without labels for the study's metric are left out of the curves.
    """
    metric = plan.study.metric
    curves = []
    for variant in plan.study.variants:
        own = [result for result in results if result.run.variant == variant and metric in result.errors]
        if not own:
            continue
        points: dict[int, list[float]] = {}
        for result in sorted(own, key=lambda result: (result.run.size, result.run.seed)):
            points.setdefault(result.run.size, []).append(1e3 * result.errors[metric])
        sizes = [size for size, errors in points.items() for _ in errors]
        law = fit_power_law(sizes, [error for errors in points.values() for error in errors])
        curves.append(Curve(variant, num_parameters(plan, own[0].run), points, law))
    pairs = [compare(first, second, results, metric) for first, second in plan.study.comparisons]
    comparisons = [pair for pair in pairs if pair is not None]
    return Summary(metric, curves, list(results), len(plan.runs) - len(results), comparisons)


def describe_summary(summary: Summary) -> str:
    """Describe in words the gain from doubling the data, and the ranking of the variants."""
    what, unit = METRICS[summary.metric]
    fitted = [(curve, curve.law) for curve in summary.curves if curve.law is not None]
    sentences = []
    if fitted:
        gains = [
            f"{law.gain:.2f} for {curve.variant} ({law.gain_interval[0]:.2f} to {law.gain_interval[1]:.2f})"
            for curve, law in sorted(fitted, key=lambda pair: -pair[1].gain)
        ]
        sentences.append(
            f"Doubling the training data divides the {what} by {_listed(gains)} (in parentheses: 95 % confidence "
            "intervals)."
        )
    sizes = sorted({size for curve in summary.curves for size in curve.points})
    for size in dict.fromkeys((*sizes[:1], *sizes[-1:])):
        there = sorted((curve for curve in summary.curves if size in curve.points), key=lambda curve: curve.mean(size))
        best = [f"{curve.variant} ({curve.mean(size):.3g} {unit})" for curve in there]
        sentences.append(f"With {counted(size, 'frame')}, from the smallest error to the largest: {', '.join(best)}.")
    sentences += [_comparison(pair) for pair in summary.comparisons]
    slow = _hardly_fitted(summary)
    if slow:
        sentences.append(
            f"With the largest training set, the training errors of {_listed(slow)} exceed {100 * _FITTED:.0f} % of "
            "the test errors: these models are limited by their size or the number of steps, not by the data."
        )
    if summary.missing:
        verb = "is" if summary.missing == 1 else "are"
        sentences.append(f"{counted(summary.missing, 'run')} {verb} not finished.")
    return " ".join(sentences)


def _comparison(pair: Comparison) -> str:
    smallest, largest = min(pair.ratios), max(pair.ratios)
    slopes = {
        "steeper": f"the curve of {pair.second} is steeper",
        "flatter": f"the curve of {pair.second} is flatter",
        "not significant": "the difference of the slopes is not significant",
    }
    return (
        f"{pair.second} has {pair.ratios[smallest]:.2f} times the error of {pair.first} with "
        f"{counted(smallest, 'frame')} and {pair.ratios[largest]:.2f} times with {largest}; "
        f"{slopes[pair.verdict]} (difference of exponents {pair.interval})."
    )


_FITTED = 0.6


def _hardly_fitted(summary: Summary) -> list[str]:
    """Return variants whose errors on their largest training set are nearly as large as on the test set."""
    found = []
    for curve in summary.curves:
        largest = [r for r in summary.results if r.run.variant == curve.variant and r.run.size == max(curve.points)]
        pairs = [(r.train_errors.get(summary.metric), r.errors.get(summary.metric)) for r in largest]
        shares = [train / test for train, test in pairs if train is not None and test]
        if shares and float(np.mean(shares)) > _FITTED:
            found.append(curve.variant)
    return found


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
