"""End of a metrics file: the latest values, the best values, and the speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO

from potentials.dashboard.reading.tails import Row, last_best_row, last_number, last_rows, number

_HARDWARE = ("frames_per_s", "cpu_percent", "memory_MB", "gpu_memory_MB")
_TAIL = 16 * 1024
_BEST = {
    "forces": "forces_rmse_meV_per_A",
    "energy": "energy_per_atom_rmse_meV",
    "stress": "stress_rmse_meV_per_A3",
    "forces_mae": "forces_mae_meV_per_A",
    "energy_mae": "energy_per_atom_mae_meV",
    "stress_mae": "stress_mae_meV_per_A3",
    "loss": "validation_loss",
    "epoch": "epoch",
    "time": "time_s",
}


@dataclass(frozen=True)
class MetricsTable:
    """End of `steps.csv` or `metrics.csv`; missing values are `None`."""

    step: float | None = None
    epoch: float | None = None
    time: float | None = None
    """Training time in seconds."""
    learning_rate: float | None = None
    epochs_per_second: float | None = None
    """Mean over the last rows."""
    row_seconds: float | None = None
    """Longest interval between two of the last rows in seconds."""
    hardware: dict[str, float | None] = field(default_factory=dict)
    """From `steps.csv`: frames/s, processor use (%), memory and GPU memory (MB), each the last recorded value."""
    best: dict[str, float | None] = field(default_factory=dict)
    """From `metrics.csv`: errors (meV, A), loss, epoch and time of the best validation so far."""
    best_is_last: bool = False
    """Whether `best` is the latest validation, because the best one is too far from the end of the file."""


def read_steps(file: BinaryIO) -> MetricsTable:
    """Read the end of `steps.csv`."""
    rows = last_rows(file, _TAIL)
    hardware = {name: last_number(rows, name) for name in _HARDWARE}
    return _table_of(rows, hardware=hardware)


def read_metrics(file: BinaryIO) -> MetricsTable:
    """Read the end of `metrics.csv`."""
    rows = last_rows(file, _TAIL)
    marked = last_best_row(file)
    best = marked or (rows[-1] if rows else None)
    figures = {name: number(best, column) for name, column in _BEST.items()} if best else {}
    return _table_of(rows, best=figures, best_is_last=marked is None and best is not None)


def _table_of(
    rows: Sequence[Row],
    hardware: dict[str, float | None] | None = None,
    best: dict[str, float | None] | None = None,
    best_is_last: bool = False,
) -> MetricsTable:
    last = rows[-1] if rows else None
    return MetricsTable(
        step=number(last, "step"),
        epoch=number(last, "epoch"),
        time=number(last, "time_s"),
        learning_rate=number(last, "learning_rate"),
        epochs_per_second=_epochs_per_second(rows),
        row_seconds=_row_seconds(rows[-10:]),
        hardware=hardware or {},
        best=best or {},
        best_is_last=best_is_last,
    )


def _epochs_per_second(rows: Sequence[Row]) -> float | None:
    points = [(number(row, "epoch"), number(row, "time_s")) for row in (*rows[:1], *rows[-1:])]
    (first, begun), (last, ended) = points if len(points) == 2 else ((None, None), (None, None))
    if first is None or last is None or begun is None or ended is None or last <= first or ended <= begun:
        return None
    return (last - first) / (ended - begun)


def _row_seconds(rows: Sequence[Row]) -> float | None:
    times = [time for row in rows if (time := number(row, "time_s")) is not None]
    return max((after - before for before, after in pairwise(times)), default=None)
