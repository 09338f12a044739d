"""Section of the report: how losses and errors went down in the course of training."""

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
    "forces": ("forces_mae_meV_per_A", "forces_rmse_meV_per_A", "meV/A"),
    "energy": ("energy_per_atom_mae_meV", "energy_per_atom_rmse_meV", "meV/atom"),
    "stress": ("stress_mae_meV_per_A3", "stress_rmse_meV_per_A3", "meV/A<sup>3</sup>"),
}
_X = {"epoch": "epoch", "time_s": "training time (s)"}
_NEEDED = ("epoch", "validation_loss")


@dataclass(frozen=True, eq=False)
class Course:
    """Numbers recorded in the course of training."""

    columns: Mapping[str, Array]
    """By name, all equally long; NaN where a field is empty."""
    dropped: int
    """Rows that could not be read."""

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def has(self, name: str) -> bool:
        """Whether there is any number in a column."""
        return name in self.columns and bool(np.isfinite(self.columns[name]).any())

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def read_course(file: Path, needed: tuple[str, ...] = _NEEDED) -> Course:
    """Read `metrics.csv` or `steps.csv`; rows that were cut off or are no numbers are dropped.

    Raises:
        DataError: the file is missing, unreadable, or has not a single row with what is needed.
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
    return Course({name: np.array([row[name] for row in whole]) for name in names}, len(rows) - len(whole))


def _numbers(row: dict[str | None, str | None], names: list[str]) -> dict[str, float] | None:
    """The fields of a row; `None` if it has too few or too many, or holds what is no number."""
    if None in row or None in row.values():
        return None
    try:
        return {name: float(row[name] or "nan") for name in names}
    except ValueError:
        return None


def section(subject: Subject) -> Section:
    """Losses, validation errors and learning rate by epoch, with the best model marked."""
    if subject.potential.config.closed_form:
        family = subject.potential.config.name
        return Section(
            TITLE, GOOD, missing=f"{family} is fitted in closed form, in one step, so there are no learning curves."
        )
    if subject.run is None:
        reason = "The model file is not in the folder of its run, so metrics.csv is not available."
        return Section(TITLE, GOOD, missing=reason)
    course = read_course(subject.run.metrics)
    steps_file = subject.run.path / "steps.csv"
    steps = read_course(steps_file, ("epoch", "loss")) if steps_file.is_file() else None
    losses = {"by epoch": _losses(course, steps, "epoch")}
    if course.has("time_s") and len(course) > 1:
        losses["by time"] = _losses(course, steps, "time_s")
    errors = {name: _errors(course, name) for name in _ERRORS if course.has(_ERRORS[name][1])}
    parts: list[Part] = [_table(course), Row([Gallery(losses), *([Gallery(errors)] if errors else [])])]
    rates = steps if steps is not None and steps.has("learning_rate") else course
    if rates.has("learning_rate"):
        parts.append(_learning_rate(rates))
    if course.dropped:
        parts.append(
            Paragraph(f"{course.dropped} rows of {subject.run.metrics.name} could not be read and are ignored.")
        )
    return Section(TITLE, GOOD, parts)


def best_row(course: Course) -> int | None:
    """The place of the best model's validation, the last that was marked as such."""
    marked = np.flatnonzero(course["best"] == 1) if course.has("best") else np.array([], dtype=int)
    return int(marked[-1]) if len(marked) else None


def rise(course: Course) -> float:
    """The last validation loss relative to the lowest one; where the loss changed with a stage, of the last stage."""
    loss = course["validation_loss"]
    if course.has("stage"):
        loss = loss[course["stage"] == course["stage"][-1]]
    return float(loss[-1] / loss.min()) if loss.min() > 0 else 1.0


def _table(course: Course) -> Table:
    best = best_row(course)
    rows: list[list[str | Mark]] = [
        ["epochs", number(course["epoch"][-1], 4), ""],
        [
            "last validation loss",
            number(course["validation_loss"][-1]),
            mark(rise(course), _RISEN, _RISEN_MUCH, f"{rise(course):.2f} times the lowest"),
        ],
    ]
    if course.has("time_s"):
        rows.insert(1, ["training time (s)", number(course["time_s"][-1], 4), ""])
    if best is not None:
        rows.append(["best model, epoch", number(course["epoch"][best], 4), ""])
        for name, (_, column, unit) in _ERRORS.items():
            if course.has(column):
                rows.append(
                    [
                        f"its validation RMSE, {name} ({unit.replace('<sup>3</sup>', '^3')})",
                        number(course[column][best]),
                        "",
                    ]
                )
    return Table(["", "value", "judgment"], rows)


def _losses(course: Course, steps: Course | None, by: str) -> Plot:
    figure = Figure()
    if steps is not None and steps.has(by):
        _add_curve(figure, steps, "loss", "training, single steps", palette.MUTED, by, width=1)
        for position, name in enumerate(("energy", "forces", "stress")):
            if steps.has(f"loss_{name}") and bool((steps[f"loss_{name}"] > 0).any()):
                _add_curve(figure, steps, f"loss_{name}", f"of it {name}", palette.SERIES[3 + position], by, width=1)
                figure.data[-1].visible = "legendonly"
    if course.has("training_loss"):
        _add_curve(figure, course, "training_loss", "training", palette.SERIES[0], by)
    _add_curve(figure, course, "validation_loss", "validation", palette.SERIES[1], by)
    _mark_best(figure, course, "validation_loss", by)
    _mark_stages(figure, course, by)
    figure.update_layout(xaxis_title=_X[by], yaxis_title="loss")
    make_logarithmic(figure)
    caption = "Loss with the weights of training. The star is the best model, which was kept."
    if steps is not None:
        caption += " Click a name to show or hide a part of the training loss."
    if course.has("stage") and len(np.unique(course["stage"])) > 1:
        caption += (
            " At the dotted line a new stage started with other weights; losses before and after are not comparable."
        )
    return Plot(figure, caption, 400, "training and validation loss against epochs")


def _errors(course: Course, name: str) -> Plot:
    mae, rmse, unit = _ERRORS[name]
    figure = Figure()
    _add_curve(figure, course, rmse, "RMSE", palette.SERIES[1])
    if course.has(mae):
        _add_curve(figure, course, mae, "MAE", palette.SERIES[0])
    _mark_best(figure, course, rmse)
    _mark_stages(figure, course)
    figure.update_layout(xaxis_title="epoch", yaxis_title=f"error of the validation frames ({unit})")
    make_logarithmic(figure)
    return Plot(figure, f"Validation error of the {name}.", 400, f"validation error of the {name} against epochs")


def _learning_rate(course: Course) -> Plot:
    figure = Figure()
    _add_curve(figure, course, "learning_rate", "learning rate", palette.SERIES[2])
    figure.update_layout(xaxis_title="epoch", yaxis_title="learning rate", showlegend=False)
    return Plot(figure, "", 220, "learning rate against epochs")


def _add_curve(
    figure: Figure, course: Course, column: str, name: str, color: str, by: str = "epoch", width: float = 2
) -> None:
    places = thinned_curve(course[column], _MOST_POINTS)
    alone = len(places) == 1
    figure.add_scatter(
        x=short(course[by][places]),
        y=short(course[column][places]),
        mode="markers" if alone else "lines",
        line={"color": color, "width": width},
        marker={"color": color},
        name=name,
        hovertemplate=f"{_X[by]} %{{x:.4g}}: %{{y:.4g}}<extra>%{{fullData.name}}</extra>",
    )


def _mark_best(figure: Figure, course: Course, column: str, by: str = "epoch") -> None:
    best = best_row(course)
    if best is None or not np.isfinite(course[column][best]):
        return
    figure.add_scatter(
        x=[float(course[by][best])],
        y=[float(course[column][best])],
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": palette.INK},
        name="best model",
        hovertemplate=f"best model: {_X[by]} %{{x:.4g}}, %{{y:.4g}}<extra></extra>",
    )


def _mark_stages(figure: Figure, course: Course, by: str = "epoch") -> None:
    if not course.has("stage"):
        return
    for place in np.flatnonzero(np.diff(course["stage"]) > 0):
        figure.add_vline(x=float(course[by][place]), line_dash="dot", line_color=palette.MUTED)
