"""Section of the report: predictions compared with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from plotly.graph_objects import Figure

from potentials.pages import Gallery, Html, Mark, Paragraph, Part, Plot, Row, Section, Table, palette
from potentials.report.charts import make_logarithmic, short, split_colors
from potentials.report.judging import number
from potentials.report.predictions.comparison import (
    ENERGY,
    FORCES,
    PROPERTIES,
    STRESS,
    Comparison,
    Errors,
    Property,
    compare,
    errors,
)
from potentials.report.predictions.evaluated import TRAIN, EvaluatedSplit
from potentials.report.predictions.thinning import density, thinned_points
from potentials.report.subject import Subject

TITLE = "Predictions against labels"
GOOD_SHARE, BAD_SHARE = 0.1, 0.3
"""RMSE relative to the spread of the labels."""
SMALL = {ENERGY: 1e-3, FORCES: 1e-2, STRESS: 0.1}
"""Errors that are good for any spread of the labels: similar to those of careful reference calculations."""
GOOD = (
    "on frames that were not trained on, the RMSE is at most 10 % of the spread of the labels (R2 of 0.99), or below "
    "1 meV/atom, 10 meV/Å or 0.1 GPa; above 30 % (R2 of 0.91) is bad. Points lie on the diagonal, "
    "and errors are distributed around zero with a single peak."
)
MOST_POINTS = 2000
"""Largest number of points of one plot."""
_MOST_BINS = 80
_SHOWN = 99.5
"""Percent of the errors that the histogram spans; the others are in its outermost bins."""


def section(subject: Subject) -> Section:
    """Build plots and a table of energies, forces and stresses of each split."""
    evaluated = subject.evaluated
    if not evaluated.splits:
        return Section(TITLE, GOOD, missing=why_nothing(subject))
    parts: list[Part] = [Paragraph(f"Note: {text}.") for text in (*subject.remarks, *evaluated.remarks)]
    parts.append(_table(evaluated.splits))
    colors = split_colors([split.name for split in evaluated.splits])
    for which in PROPERTIES:
        found = {
            split.name: (split, compared)
            for split in evaluated.splits
            if (compared := compare(split, which)) is not None
        }
        parts.append(Html(f"<h3>{which.name[0].upper()}{which.name[1:]}</h3>"))
        if found:
            parts.append(_plots(which, found, colors, subject.seed))
        else:
            parts.append(Paragraph(_no_labels(which, evaluated.splits)))
    return Section(TITLE, GOOD, parts)


def why_nothing(subject: Subject) -> str:
    """Explain why there are no data for the comparison."""
    if not subject.splits:
        return f"{subject.no_data[0].upper()}{subject.no_data[1:]}."
    return "; ".join(subject.evaluated.remarks) + "."


def _no_labels(which: Property, splits: Sequence[EvaluatedSplit]) -> str:
    what = {ENERGY: "energy", FORCES: "forces", STRESS: "stress"}[which]
    text = f"No frame of {', '.join(split.name for split in splits)} is labeled with {what}."
    if which is STRESS and not any(frame.frame.atoms.pbc.all() for split in splits for frame in split.frames):
        return f"{text} Only structures that are periodic in three directions have a stress."
    return text


def _place(name: str) -> tuple[bool, bool]:
    """Return the sort key of a split: the training set comes last."""
    return name == TRAIN, name == "validation"


def _plots(
    which: Property, found: dict[str, tuple[EvaluatedSplit, Comparison]], colors: Mapping[str, str], seed: int
) -> Row:
    order = sorted(found, key=_place)
    plots = {name: _parity_plot(*found[name], seed) for name in order}
    compared = {name: found[name][1] for name in order}
    scales = {
        "linear": _histogram(which, compared, colors, logarithmic=False),
        "logarithmic": _histogram(which, compared, colors, logarithmic=True),
    }
    return Row([Gallery(plots), Gallery(scales)])


def _parity_plot(split: EvaluatedSplit, compared: Comparison, seed: int) -> Plot:
    finite = np.flatnonzero(np.isfinite(compared.prediction))
    shown = finite[thinned_points(compared.label[finite], compared.residual[finite], MOST_POINTS, seed)]
    which = compared.of
    figure = Figure()
    if len(shown):
        crowd = density(compared.label[finite], compared.prediction[finite])[np.searchsorted(finite, shown)]
        order = np.argsort(crowd, kind="stable")  # highest density on top
        shown, crowd = shown[order], crowd[order]
        low, high = (float(pick([compared.label[shown], compared.prediction[shown]])) for pick in (np.min, np.max))
        margin = 0.04 * (high - low) or 0.5
        ends = [low - margin, high + margin]
        figure.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": palette.MUTED, "width": 1, "dash": "dash"}, hoverinfo="skip"
        )
        figure.add_scatter(
            x=short(compared.label[shown]),
            y=short(compared.prediction[shown]),
            mode="markers",
            marker={"size": 5, "color": np.log10(crowd).astype(np.float32), "colorscale": palette.DENSITY},
            text=compared.names(split, shown),
            hovertemplate=f"%{{text}}<br>label %{{x:.5g}} {which.unit}<br>predicted %{{y:.5g}}<extra></extra>",
        )
        figure.update_layout(xaxis_range=ends, yaxis_range=ends)
    zero = " - isolated atoms" if which is ENERGY else ""
    figure.update_layout(
        showlegend=False, xaxis_title=f"label{zero} ({which.unit})", yaxis_title=f"prediction{zero} ({which.unit})"
    )
    return Plot(
        figure, _points_shown(split, compared, len(shown)), 400, f"{split.name}: {which.name}, prediction against label"
    )


def _points_shown(split: EvaluatedSplit, compared: Comparison, shown: int) -> str:
    count = len(compared.label)
    text = f"{split.name}, {split.count} frames"
    if split.is_sample:
        text += " (a random sample)"
    if shown < count:
        return (
            f"{text}. Of {count:,} points {shown:,} are drawn: the {MOST_POINTS // 2:,} with the largest "
            "errors, and a random selection of the others. Darker color (brighter in the dark theme) means "
            "more points."
        )
    return f"{text}; {count:,} points. Darker color (brighter in the dark theme) means more points."


def _histogram(which: Property, found: dict[str, Comparison], colors: Mapping[str, str], *, logarithmic: bool) -> Plot:
    residuals = {name: which.error_factor * compared.residual for name, compared in found.items()}
    residuals = {name: values[np.isfinite(values)] for name, values in residuals.items()}
    spans = [float(np.percentile(np.abs(values), _SHOWN)) for values in residuals.values() if len(values)]
    span = 1.15 * max(spans, default=0.0) or 1.0
    most = max((len(values) for values in residuals.values()), default=0)
    edges = np.linspace(-span, span, min(_MOST_BINS, 9 + round(most**0.5)) + 1)
    figure = Figure()
    for name, values in residuals.items():
        counts, _ = np.histogram(np.clip(values, -span, span), edges)
        figure.add_scatter(
            x=short((edges[1:] + edges[:-1]) / 2),
            y=short(np.where(counts > 0, 100 * counts / max(1, len(values)), np.nan if logarithmic else 0.0)),
            mode="lines",
            line={"shape": "hvh", "color": colors[name], "width": 1.5},
            name=name,
            hovertemplate="%{x:.3g}: %{y:.3g} %<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=0, line_color=palette.MUTED, line_width=1)
    figure.update_layout(
        xaxis_title=f"prediction - label ({which.error_unit})",
        yaxis_title="fraction of the errors (%)",
        showlegend=True,
    )
    if logarithmic:
        make_logarithmic(figure)
    caption = f"Errors of all points; errors beyond {number(span, 2)} {which.error_unit} are in the outermost bins."
    return Plot(figure, caption, 400, f"histogram of the errors of {which.name}")


def _table(splits: Sequence[EvaluatedSplit]) -> Table:
    rows: list[list[str | Mark]] = []
    for which in PROPERTIES:
        for split in sorted(splits, key=lambda split: _place(split.name)):
            compared = compare(split, which)
            if compared is not None:
                rows.append([f"{split.name}: {which.name}", split.count, *_cells(split, compared)])
    return Table(
        ["split", "frames", "values", "MAE", "RMSE", "unit", "RMSE / spread", "R2", "largest error", "where"],
        rows,
        "Spread: standard deviation of the labels. R2: fraction of their variance explained by the predictions. Forces "
        "and stresses are compared component by component, energies per atom. The training set is not judged.",
        text_columns=(9,),
    )


def _cells(split: EvaluatedSplit, compared: Comparison) -> list[str | Mark]:
    found = errors(compared)
    which = compared.of
    count = f"{len(compared.label):,}"
    if found is None:
        return [count, "-", "-", which.error_unit, Mark("bad", "no prediction is finite"), "-", "-", "-"]
    mae, rmse, largest = (number(which.error_factor * value) for value in (found.mae, found.rmse, found.largest))
    where = compared.names(split, np.array([found.largest_place]))[0]
    return [count, mae, rmse, which.error_unit, _judgment(split, which, found), _r2(found), largest, where]


def _r2(found: Errors) -> str:
    return "-" if np.isnan(found.r2) else f"{found.r2:.4f}"


def _judgment(split: EvaluatedSplit, which: Property, found: Errors) -> Mark:
    share = found.rmse / found.label_spread if found.label_spread > 0 else None
    text = "all labels equal" if share is None else f"{100 * share:.1f} %"
    if found.not_finite:
        return Mark("bad", f"{found.not_finite:,} predictions are not finite")
    if split.name == TRAIN:
        return Mark("none", text)
    if found.rmse <= SMALL[which] or (share is not None and share <= GOOD_SHARE):
        return Mark("good", text)
    if share is None:
        return Mark("none", text)
    return Mark("bad" if share > BAD_SHARE else "look", text)
