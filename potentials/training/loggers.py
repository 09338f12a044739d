"""Where the figures of a run go: always to `metrics.csv`, and to Lightning's loggers when there are any."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from potentials.files import write_text
from potentials.training.metrics import Error
from potentials.training.module import TrainingModule
from potentials.training.validations import Validation

_ERROR_COLUMNS = (
    ("energy", "energy", "meV"),
    ("energy_per_atom", "energy_per_atom", "meV"),
    ("forces", "forces", "meV_per_A"),
    ("stress", "stress", "meV_per_A3"),
)


def metrics_row(validation: Validation, seconds: float) -> dict[str, float | int | None]:
    """One row of `metrics.csv`; what was not measured is `None`."""
    row: dict[str, float | int | None] = {
        "epoch": validation.epoch,
        "step": validation.step,
        "time_s": round(seconds, 3),
        "stage": validation.stage + 1,
        "learning_rate": validation.learning_rate,
        "training_loss": validation.training_loss,
        "validation_loss": validation.loss,
    }
    for name, title, unit in _ERROR_COLUMNS:
        error: Error | None = getattr(validation.errors, name)
        row[f"{title}_mae_{unit}"] = None if error is None else 1e3 * error.mae
        row[f"{title}_rmse_{unit}"] = None if error is None else 1e3 * error.rmse
    return row | {"best": int(validation.is_best)}


class MetricsFile(Callback):
    """Adds a row to `metrics.csv` after every validation.

    Args:
        path: the file. When a run is continued, rows beyond the point from which it continues are dropped.
        seconds: training time so far.
    """

    def __init__(self, path: Path, seconds: Callable[[], float]) -> None:
        self.path = path
        self.seconds = seconds

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows that count: of validations that the checkpoint knows of, and that were written whole."""
        if not trainer.is_global_zero or not self.path.is_file():
            return
        last = cast(TrainingModule, pl_module).validated_step
        with self.path.open(newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            rows = [row for row in reader if _is_whole(row) and int(row["step"]) <= last]
        text = io.StringIO()
        _write_rows(text, names, rows, header=True)
        write_text(self.path, text.getvalue())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row."""
        validation = cast(TrainingModule, pl_module).validation
        if validation is not None and trainer.is_global_zero:
            self.append(metrics_row(validation, self.seconds()))

    def append(self, row: dict[str, float | int | None]) -> None:
        """Add a row of `metrics_row`."""
        header = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            _write_rows(file, list(row), [row], header=header)


def _is_whole(row: dict[str, str]) -> bool:
    """Whether a row was written to its end, which it was not where the disk was full or the process killed."""
    return None not in row.values() and row.get("step", "").isdigit() and row.get("best") in ("0", "1")


def _write_rows(file: TextIO, names: list[str], rows: list[Any], *, header: bool) -> None:
    writer = csv.DictWriter(file, names, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)


class LoggerFeed(Callback):
    """Gives Lightning's loggers the training loss every so many steps, and the row of each validation.

    Not through `LightningModule.log`, whose bookkeeping costs more per step than a small model's kernels.
    """

    def __init__(self, every_steps: int, seconds: Callable[[], float]) -> None:
        self.every_steps = every_steps
        self.seconds = seconds

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the loss of the step; this waits for the device, hence not every step."""
        if trainer.global_step % self.every_steps == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            values = {"training/loss": float(outputs["loss"]), "training/learning_rate": rate}
            for logger in trainer.loggers:
                logger.log_metrics(values, step=trainer.global_step)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the validation."""
        validation = cast(TrainingModule, pl_module).validation
        if validation is not None:
            for logger in trainer.loggers:
                log_row(logger, metrics_row(validation, self.seconds()), step=trainer.global_step)


def log_row(logger: Logger, row: dict[str, float | int | None], step: int) -> None:
    """Give a logger what a validation measured."""
    logger.log_metrics({f"validation/{name}": value for name, value in row.items() if value is not None}, step=step)
