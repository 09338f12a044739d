"""Recording of metrics in `metrics.csv`, `steps.csv` and Lightning's loggers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from potentials.evaluation.metrics import Error, PropertyErrors
from potentials.row_files import Row, RowFile
from potentials.training.loggers.hardware_use import HardwareUse, HardwareWatch
from potentials.training.module import TrainingModule
from potentials.training.step_figures import PROPERTIES, StepFigures
from potentials.training.validations import Validation

_ERROR_COLUMNS = (
    ("energy", "energy", "meV"),
    ("energy_per_atom", "energy_per_atom", "meV"),
    ("forces", "forces", "meV_per_A"),
    ("stress", "stress", "meV_per_A3"),
)
_ERRORS = [f"{title}_{kind}_{unit}" for _, title, unit in _ERROR_COLUMNS for kind in ("mae", "rmse")]
METRICS_COLUMNS = (
    *("epoch", "step", "time_s", "stage", "learning_rate", "training_loss", "validation_loss"),
    *_ERRORS,
    "best",
)
STEPS_COLUMNS = (
    *("step", "epoch", "time_s", "learning_rate", "loss", *(f"loss_{name}" for name in PROPERTIES), "gradient_norm"),
    *("frames_per_s", "cpu_percent", "memory_MB", "gpu_memory_MB"),
)
_LOGGED_METRICS = {
    "epoch": "epoch",
    "time_s": "time_s",
    "stage": "training/stage",
    "training_loss": "training/mean_loss",
    "validation_loss": "validation/loss",
    **{name: f"validation/{name}" for name in _ERRORS},
}
_LOGGED_STEPS = {
    "epoch": "epoch",
    "time_s": "time_s",
    **{name: f"training/{name}" for name in STEPS_COLUMNS if name.startswith(("loss", "learning", "gradient"))},
    **{name: f"speed/{name}" for name in ("frames_per_s", "cpu_percent", "memory_MB", "gpu_memory_MB")},
}
"""Names of the metrics in loggers: sections of a dashboard, then columns of the files, with units."""


def metrics_row(validation: Validation, seconds: float) -> dict[str, float | int | None]:
    """Return one row of `metrics.csv`; missing values are `None`."""
    row: dict[str, float | int | None] = {
        "epoch": validation.epoch,
        "step": validation.step,
        "time_s": round(seconds, 3),
        "stage": validation.stage + 1,
        "learning_rate": validation.learning_rate,
        "training_loss": validation.training_loss,
        "validation_loss": validation.loss,
    }
    row |= _error_cells(validation.errors)
    row["best"] = int(validation.is_best)
    for head, errors in validation.errors_of_heads.items():
        row |= {f"{head}/{name}": value for name, value in _error_cells(errors).items()}
    return row


def metrics_columns(heads: Iterable[str] = ()) -> list[str]:
    """Return the columns of `metrics.csv`; those of the heads come last."""
    return [*METRICS_COLUMNS, *(f"{head}/{name}" for head in heads for name in _ERRORS)]


def _error_cells(errors: PropertyErrors) -> dict[str, float | int | None]:
    cells: dict[str, float | int | None] = {}
    for name, title, unit in _ERROR_COLUMNS:
        error: Error | None = getattr(errors, name)
        cells[f"{title}_mae_{unit}"] = None if error is None else 1e3 * error.mae
        cells[f"{title}_rmse_{unit}"] = None if error is None else 1e3 * error.rmse
    return cells


def _logged_metrics(columns: Iterable[str]) -> dict[str, str]:
    """Return the names in loggers of the columns of `metrics.csv`."""
    return _LOGGED_METRICS | {name: f"validation/{name}" for name in columns if "/" in name}


def steps_row(
    figures: StepFigures, seconds: float, frames_per_second: float, use: HardwareUse | None
) -> dict[str, float | int | None]:
    """Return one row of `steps.csv`; missing values are `None`."""
    return {
        "step": figures.step,
        "epoch": round(figures.epoch, 6),
        "time_s": round(seconds, 3),
        "learning_rate": figures.learning_rate,
        "loss": figures.loss,
        **{f"loss_{name}": value for name, value in figures.loss_terms.items()},
        "gradient_norm": figures.gradient_norm,
        "frames_per_s": round(frames_per_second, 2),
        "cpu_percent": None if use is None else round(use.cpu_percent, 1),
        "memory_MB": None if use is None else round(use.memory, 1),
        "gpu_memory_MB": None if use is None or use.gpu_memory is None else round(use.gpu_memory, 1),
    }


@runtime_checkable
class RememberingLogger(Protocol):
    """A logger that reports which metrics it still holds after an interruption."""

    last_step: int
    """The last step whose metrics the logger holds."""


class RunRecord(Callback):
    """Writes `metrics.csv` after every validation and `steps.csv` every N steps, and sends both to the loggers.

    `LightningModule.log` is not used, because its bookkeeping takes longer per step than the kernels of a small model.
    Not every step is recorded, because a row waits for the device.

    When a run is continued, rows after the checkpoint are removed. Loggers receive the earlier rows that they lack and
    no row twice: a repeated step has the same metrics.

    Args:
        metrics: path of `metrics.csv`.
        steps: path of `steps.csv`.
        every_steps: optimizer steps between rows of `steps.csv`.
        heads: names of the heads, if there are several.
        seconds: function that returns the training time so far.
    """

    def __init__(
        self, metrics: Path, steps: Path, every_steps: int, heads: Iterable[str], seconds: Callable[[], float]
    ) -> None:
        self.metrics = RowFile(metrics, metrics_columns(heads))
        self.steps = RowFile(steps, STEPS_COLUMNS)
        self.every_steps = every_steps
        self.seconds = seconds
        self._names = {self.metrics: _logged_metrics(self.metrics.columns), self.steps: _LOGGED_STEPS}
        self._held: dict[tuple[Logger, RowFile], int] = {}
        self._hardware: HardwareWatch | None = None
        self._since = time.monotonic()
        self._frames = 0
        self._validation_began: float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of steps and validations that are included in the checkpoint."""
        self._since = time.monotonic()
        if not trainer.is_global_zero:
            return
        self._hardware = HardwareWatch()
        written = {
            self.metrics: self.metrics.keep_until(cast(TrainingModule, pl_module).validated_step),
            self.steps: self.steps.keep_until(trainer.global_step),
        }
        for logger in trainer.loggers:
            for file, step in written.items():
                self._held[logger, file] = logger.last_step if isinstance(logger, RememberingLogger) else step
        rows = [(cast(int, row["step"]), file, row) for file in written for row in file.rows()]
        for _, file, row in sorted(rows, key=lambda entry: entry[0]):
            self._log(trainer, file, row)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the row of a step. All processes call this together, because the metrics are reduced over them."""
        if trainer.global_step % self.every_steps != 0:
            return
        figures = cast(TrainingModule, pl_module).step_figures()
        now = time.monotonic()
        frames_per_second = (figures.frames - self._frames) / max(now - self._since, 1e-9)
        self._since, self._frames = now, figures.frames
        if self._hardware is not None:
            row = steps_row(figures, self.seconds(), frames_per_second, self._hardware.look())
            self._log(trainer, self.steps, row)
            self.steps.append(row)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Pause the timer: frames per second exclude validation."""
        self._validation_began = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of a validation."""
        if self._validation_began is not None:
            self._since += time.monotonic() - self._validation_began
        validation = cast(TrainingModule, pl_module).validation
        if validation is not None and trainer.is_global_zero:
            row = metrics_row(validation, self.seconds())
            self._log(trainer, self.metrics, row)
            self.metrics.append(row)

    def _log(self, trainer: Trainer, file: RowFile, row: Row) -> None:
        step = cast(int, row["step"])
        for logger in trainer.loggers:
            if step > self._held.get((logger, file), 0):
                _log(logger, self._names[file], row, step)


def log_validation(logger: Logger, validation: Validation, seconds: float) -> None:
    """Send the metrics of a validation to a logger."""
    row = metrics_row(validation, seconds)
    _log(logger, _logged_metrics(row), row, validation.step)


def _log(logger: Logger, names: Mapping[str, str], row: Row, step: int) -> None:
    logger.log_metrics({names[name]: value for name, value in row.items() if name in names and value is not None}, step)
