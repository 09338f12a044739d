"""Summary of a run in one table row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from potentials.dashboard.reading import configuration
from potentials.dashboard.reading.configuration import FlatConfig
from potentials.dashboard.reading.liveness import life
from potentials.dashboard.reading.log_warnings import LogWarnings
from potentials.dashboard.reading.metrics_table import MetricsTable
from potentials.dashboard.reading.runs import RESOLVED, STATUS, Run

_REASONS = {
    "max_epochs": "all epochs completed",
    "max_time": "time limit reached",
    "fitted": "fitted in closed form",
}
_PATIENCE = "train.early_stopping.patience"


@dataclass(frozen=True)
class Readings:
    """Contents of the files of a run at one moment."""

    status: dict[str, Any] | str
    """Contents of `status.json`, or the reason why they are missing."""
    config: FlatConfig | str
    """Contents of `resolved.yaml`, or the reason why they are missing."""
    metrics: MetricsTable
    steps: MetricsTable
    log: LogWarnings
    updated: float | None
    """Time of the latest file change, seconds since 1970."""
    report: bool
    """Whether there is a report."""


@dataclass
class Summary:
    """A row of the table of runs; unknown values are `None`."""

    key: str
    name: str
    state: str = "unknown"
    """`running`, `silent` (state `running` without a sign of activity), `interrupted`, `finished` or `unknown`."""
    note: str = ""
    """Remark on the state."""
    family: str = ""
    epoch: float | None = None
    max_epochs: int | None = None
    elapsed: float | None = None
    """Training time in seconds."""
    left: float | None = None
    """Estimated time left in seconds."""
    best: dict[str, float | None] = field(default_factory=dict)
    """Validation errors (meV/A, meV/atom, meV/A^3) of the best model so far, its loss, epoch and time."""
    best_is_last: bool = False
    """Whether `best` is the latest validation, because the best one was not found near the end of the file."""
    learning_rate: float | None = None
    hardware: dict[str, float | None] = field(default_factory=dict)
    """Frames/s, processor use (%), memory and GPU memory (MB)."""
    updated: float | None = None
    """Time of the latest file change, seconds since 1970."""
    warnings: int = 0
    warnings_exact: bool = True
    report: bool = False
    problems: list[str] = field(default_factory=list)
    """Files that could not be read, and the reasons."""


def summarize(run: Run, read: Readings) -> Summary:
    """Summarize the state of a run."""
    summary = Summary(run.key, run.name, warnings=read.log.count, warnings_exact=read.log.exact)
    summary.updated, summary.report = read.updated, read.report
    flat: FlatConfig = {}
    if isinstance(read.config, str):
        summary.problems.append(f"{RESOLVED}: {read.config}")
    else:
        flat = read.config
    status: dict[str, Any] = {}
    if isinstance(read.status, str):
        summary.note = f"{STATUS}: {read.status}"
        summary.problems.append(summary.note)
    else:
        status = read.status
    summary.family = flat.get("model.name", "")[:40]
    summary.max_epochs = _whole(status.get("max_epochs")) or configuration.positive_integer(flat, "train.max_epochs")
    _add_figures(summary, status, read.metrics, read.steps)
    _add_state(summary, status, read)
    if summary.state == "running":
        speed = read.steps.epochs_per_second or read.metrics.epochs_per_second
        summary.left = time_left(summary, speed, configuration.seconds(flat.get("train.max_time")))
    return summary


def time_left(summary: Summary, epochs_per_second: float | None, max_time: float | None) -> float | None:
    """Estimate the seconds to the last epoch at this speed, or to the end of `train.max_time` if that comes first."""
    limits = []
    if max_time is not None and summary.elapsed is not None:
        limits.append(max_time - summary.elapsed)
    if epochs_per_second and summary.epoch is not None and summary.max_epochs is not None:
        limits.append((summary.max_epochs - summary.epoch) / epochs_per_second)
    return max(0.0, min(limits)) if limits else None


def _add_figures(summary: Summary, status: dict[str, Any], metrics: MetricsTable, steps: MetricsTable) -> None:
    latest = max((metrics, steps), key=lambda table: table.step or 0.0)
    summary.epoch = _largest(latest.epoch, status.get("epoch"))
    summary.elapsed = _largest(latest.time, status.get("elapsed"))
    summary.learning_rate = latest.learning_rate
    summary.hardware = steps.hardware
    summary.best, summary.best_is_last = metrics.best, metrics.best_is_last


def _add_state(summary: Summary, status: dict[str, Any], read: Readings) -> None:
    state = status.get("state")
    if state == "finished":
        summary.state, summary.note = "finished", _reason_text(str(status.get("reason")), read.config)
    elif state == "interrupted":
        summary.state, summary.note = "interrupted", "run the same command to continue"
    elif state == "running":
        found = life(status, read.updated or 0.0, read.steps.row_seconds or read.metrics.row_seconds)
        summary.state, summary.note = "running" if found.alive else "silent", found.note
    elif not summary.note:
        summary.note = f"{STATUS}: not the status of a run"
        summary.problems.append(summary.note)


def _reason_text(reason: str, config: FlatConfig | str) -> str:
    if reason != "early_stopping":
        return _REASONS.get(reason, "")
    patience = None if isinstance(config, str) else configuration.positive_integer(config, _PATIENCE)
    waited = "" if patience is None else f" for {patience} validation{'s' * (patience > 1)}"
    return f"no improvement of the validation loss{waited}"


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12 else None


def _largest(figure: float | None, from_status: Any) -> float | None:
    """Return the larger of the value in the files and the value in the status, if the latter is a number."""
    is_number = isinstance(from_status, int | float) and not isinstance(from_status, bool) and 0 <= from_status < 1e15
    return figure if not is_number else max(figure or 0.0, float(from_status))
