"""Section of the report: loss, errors and learning rate during training."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from plotly.graph_objects import Figure

from potentials.errors import DataError
from potentials.pages import Gallery, Mark, Paragraph, Part, Plot, Row, Section, Table, palette
from potentials.report.charts import make_logarithmic, short
from potentials.report.judging import mark, number
from potentials.report.predictions.comparison import Array
from potentials.report.predictions.thinning import thinned_curve
from potentials.report.subject import Subject

TITLE = "Learning curves"
GOOD = (
    "training and validation loss fall together and level off; the last validation loss is at most 1.1 times the "
    "lowest one (more than twice is bad: overfitting, or a learning rate that is too high)."
)
_MOST_POINTS = 1500
_RISEN, _RISEN_MUCH = 1.1, 2.0
_ERRORS = {
    "forces": ("forces_mae_meV_per_A", "forces_rmse_meV_per_A", "meV/Å"),
    "energy": ("energy_per_atom_mae_meV", "energy_per_atom_rmse_meV", "meV/atom"),
    "stress": ("stress_mae_meV_per_A3", "stress_rmse_meV_per_A3", "meV/Å<sup>3</sup>"),
}
_X = {"epoch": "epoch", "time_s": "training time (s)"}
_NEEDED = ("epoch", "validation_loss")


@dataclass(frozen=True, eq=False)
class Metrics:
    """Columns of a metrics file."""

    columns: Mapping[str, Array]
    """Columns by name, all of the same length; NaN for empty fields."""
    dropped: int
    """Number of rows that could not be read."""

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def has(self, name: str) -> bool:
        """Return whether a column contains any number."""
        return name in self.columns and bool(np.isfinite(self.columns[name]).any())

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def read_metrics(file: Path, needed: tuple[str, ...] = _NEEDED) -> Metrics:
    """Read `metrics.csv` or `steps.csv`; truncated and non-numeric rows are skipped.

    Raises:
        DataError: the file is missing, unreadable, or has no row with the needed columns.
    """
    try:
        with file.open(newline="", encoding="utf-8") as source:
            reader = csv.DictReader(source)
            names = [name for name in reader.fieldnames or [] if name]
            rows = [_numbers(row, names) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataError(f"{file} is damaged: expected the columns {', '.join(needed)}; missing: {', '.join(missing)}")
    whole = [row for row in rows if row is not None and all(np.isfinite(row[name]) for name in needed)]
    if not whole:
        raise DataError(f"{file} contains no complete row")
    return Metrics({name: np.array([row[name] for row in whole]) for name in names}, len(rows) - len(whole))


def _numbers(row: dict[str | None, str | None], names: list[str]) -> dict[str, float] | None:
    """Parse the fields of a row; `None` if the number of fields is wrong or a field is not a number."""
    if None in row or None in row.values():
        return None
    try:
        return {name: float(row[name] or "nan") for name in names}
    except ValueError:
        return None


def section(subject: Subject) -> Section:
    """Plot losses, validation errors and learning rate by epoch, with the best model marked."""
    if subject.potential.config.closed_form:
        family = subject.potential.config.name
        return Section(
            TITLE, GOOD, missing=f"{family} is fitted in closed form, in one step, so there are no learning curves."
        )
    if subject.run is None:
        reason = "The folder of the model file contains no resolved.yaml, so its run and metrics.csv are unknown."
        return Section(TITLE, GOOD, missing=reason)
    metrics = read_metrics(subject.run.metrics)
    steps_file = subject.run.path / "steps.csv"
    steps = read_metrics(steps_file, ("epoch", "loss")) if steps_file.is_file() else None
    losses = {"by epoch": _losses(metrics, steps, "epoch")}
    if metrics.has("time_s") and len(metrics) > 1:
        losses["by time"] = _losses(metrics, steps, "time_s")
    errors = {name: _errors(metrics, name) for name in _ERRORS if metrics.has(_ERRORS[name][1])}
    parts: list[Part] = [_table(metrics), Row([Gallery(losses), *([Gallery(errors)] if errors else [])])]
    rates = steps if steps is not None and steps.has("learning_rate") else metrics
    if rates.has("learning_rate"):
        parts.append(_learning_rate(rates))
    if metrics.dropped:
        parts.append(Paragraph(f"Unreadable rows of {subject.run.metrics.name}, which are ignored: {metrics.dropped}."))
    return Section(TITLE, GOOD, parts)


def best_row(metrics: Metrics) -> int | None:
    """Return the row of the best model's validation, the last row with this mark."""
    marked = np.flatnonzero(metrics["best"] == 1) if metrics.has("best") else np.array([], dtype=int)
    return int(marked[-1]) if len(marked) else None


def rise(metrics: Metrics) -> float:
    """Return the last validation loss relative to the lowest one of the last stage."""
    loss = metrics["validation_loss"]
    if metrics.has("stage"):
        loss = loss[metrics["stage"] == metrics["stage"][-1]]
    return float(loss[-1] / loss.min()) if loss.min() > 0 else 1.0


def _table(metrics: Metrics) -> Table:
    best = best_row(metrics)
    rows: list[list[str | Mark]] = [
        ["epochs", number(metrics["epoch"][-1], 4), ""],
        [
            "last validation loss",
            number(metrics["validation_loss"][-1]),
            mark(rise(metrics), _RISEN, _RISEN_MUCH, f"{rise(metrics):.2f} times the lowest"),
        ],
    ]
    if metrics.has("time_s"):
        rows.insert(1, ["training time (s)", number(metrics["time_s"][-1], 4), ""])
    if best is not None:
        rows.append(["epoch of the best model", number(metrics["epoch"][best], 4), ""])
        for name, (_, column, unit) in _ERRORS.items():
            if metrics.has(column):
                rows.append(
                    [
                        f"validation RMSE of the best model, {name} ({unit.replace('<sup>3</sup>', '^3')})",
                        number(metrics[column][best]),
                        "",
                    ]
                )
    return Table(["", "value", "judgment"], rows)


def _losses(metrics: Metrics, steps: Metrics | None, by: str) -> Plot:
    figure = Figure()
    if steps is not None and steps.has(by):
        _add_curve(figure, steps, "loss", "training, each step", palette.MUTED, by, width=1)
        for position, name in enumerate(("energy", "forces", "stress")):
            if steps.has(f"loss_{name}") and bool((steps[f"loss_{name}"] > 0).any()):
                _add_curve(
                    figure, steps, f"loss_{name}", f"training, {name} term", palette.SERIES[3 + position], by, width=1
                )
                figure.data[-1].visible = "legendonly"
    if metrics.has("training_loss"):
        _add_curve(figure, metrics, "training_loss", "training", palette.SERIES[0], by)
    _add_curve(figure, metrics, "validation_loss", "validation", palette.SERIES[1], by)
    _mark_best(figure, metrics, "validation_loss", by)
    _mark_stages(figure, metrics, by)
    figure.update_layout(xaxis_title=_X[by], yaxis_title="loss")
    make_logarithmic(figure)
    caption = "Loss, with the loss weights of the training. The star is the best model, which was kept."
    if steps is not None:
        caption += " Click a name in the legend to show or hide a term of the training loss."
    if metrics.has("stage") and len(np.unique(metrics["stage"])) > 1:
        caption += " At the dotted line a new stage started with other loss weights, so losses are not comparable."
    return Plot(figure, caption, 400, "training and validation loss against epochs")


def _errors(metrics: Metrics, name: str) -> Plot:
    mae, rmse, unit = _ERRORS[name]
    figure = Figure()
    _add_curve(figure, metrics, rmse, "RMSE", palette.SERIES[1])
    if metrics.has(mae):
        _add_curve(figure, metrics, mae, "MAE", palette.SERIES[0])
    _mark_best(figure, metrics, rmse)
    _mark_stages(figure, metrics)
    figure.update_layout(xaxis_title="epoch", yaxis_title=f"error of the validation frames ({unit})")
    make_logarithmic(figure)
    return Plot(figure, f"Validation error of the {name}.", 400, f"validation error of the {name} against epochs")


def _learning_rate(metrics: Metrics) -> Plot:
    figure = Figure()
    _add_curve(figure, metrics, "learning_rate", "learning rate", palette.SERIES[2])
    figure.update_layout(xaxis_title="epoch", yaxis_title="learning rate", showlegend=False)
    return Plot(figure, "", 220, "learning rate against epochs")


def _add_curve(
    figure: Figure, metrics: Metrics, column: str, name: str, color: str, by: str = "epoch", width: float = 2
) -> None:
    places = thinned_curve(metrics[column], _MOST_POINTS)
    alone = len(places) == 1
    figure.add_scatter(
        x=short(metrics[by][places]),
        y=short(metrics[column][places]),
        mode="markers" if alone else "lines",
        line={"color": color, "width": width},
        marker={"color": color},
        name=name,
        hovertemplate=f"{_X[by]} %{{x:.4g}}: %{{y:.4g}}<extra>%{{fullData.name}}</extra>",
    )


def _mark_best(figure: Figure, metrics: Metrics, column: str, by: str = "epoch") -> None:
    best = best_row(metrics)
    if best is None or not np.isfinite(metrics[column][best]):
        return
    figure.add_scatter(
        x=[float(metrics[by][best])],
        y=[float(metrics[column][best])],
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": palette.INK},
        name="best model",
        hovertemplate=f"best model: {_X[by]} %{{x:.4g}}, %{{y:.4g}}<extra></extra>",
    )


def _mark_stages(figure: Figure, metrics: Metrics, by: str = "epoch") -> None:
    if not metrics.has("stage"):
        return
    for place in np.flatnonzero(np.diff(metrics["stage"]) > 0):
        figure.add_vline(x=float(metrics[by][place]), line_dash="dot", line_color=palette.MUTED)
