"""The progress line: what a person wants to see while a potential is being trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn

from potentials.training.journal import Journal
from potentials.training.metrics import Error, PropertyErrors
from potentials.training.module import TrainingModule
from potentials.training.validations import Validation

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 10.0


class ProgressLine(Callback):
    """One line that moves in a terminal; elsewhere a line after a validation, at most every ten seconds.

    Every validation's line goes to the log file.

    Args:
        journal: where to write.
        max_epochs: of the run.
        max_time: of the run.
        seconds: training time of the run so far.
    """

    def __init__(
        self, journal: Journal, max_epochs: int, max_time: timedelta | None, seconds: Callable[[], float]
    ) -> None:
        self.journal = journal
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.seconds = seconds
        self._bar: Progress | None = None
        self._task: Any = None
        self._refreshed = 0.0
        self._said = 0.0
        self._begin = (0.0, 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the line."""
        self._begin = (cast(TrainingModule, pl_module).epochs_trained, self.seconds())
        if not trainer.is_global_zero or not self.journal.show or not self.journal.console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.completed}/{task.total}  {task.fields[figures]}"),
            console=self.journal.console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=trainer.num_training_batches, figures="")
        self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the line, a few times a second; only then is the loss fetched from the device."""
        if self._bar is None or time.monotonic() - self._refreshed < _REFRESH_SECONDS:
            return
        module = cast(TrainingModule, pl_module)
        epoch = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches
        self._bar.update(
            self._task,
            description=f"epoch {trainer.current_epoch + 1}/{self.max_epochs}",
            completed=batch_idx + 1,
            figures=f"loss {module.local_training_loss():.3g}{_validated(module)}  {self._time_left(epoch)} left",
        )
        self._bar.refresh()
        self._refreshed = time.monotonic()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the line of a validation."""
        module = cast(TrainingModule, pl_module)
        validation = module.validation
        if validation is None or not trainer.is_global_zero:
            return
        line = f"{validation_line(validation, self.max_epochs)}  {self._time_left(validation.epoch)} left"
        last = validation.epoch >= self.max_epochs or trainer.should_stop
        if self._bar is None and (last or time.monotonic() - self._said >= _LINE_SECONDS):
            self.journal.say(line)
            self._said = time.monotonic()
        else:
            self.journal.record(line)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the line."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the line."""
        self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _time_left(self, epoch: float) -> str:
        """By the epochs left at the pace since this start, or what is left of the time, whichever is less."""
        first_epoch, first_seconds = self._begin
        seconds = self.seconds()
        left = (self.max_epochs - epoch) * (seconds - first_seconds) / max(epoch - first_epoch, 1e-9)
        if self.max_time is not None:
            left = min(left, self.max_time.total_seconds() - seconds)
        return _clock(left)


def validation_line(validation: Validation, max_epochs: int) -> str:
    """A validation in one line: losses, errors, learning rate."""
    parts = [
        f"epoch {validation.epoch:g}/{max_epochs}",
        f"loss {validation.training_loss:.4g}",
        f"validation loss {validation.loss:.4g}",
        *_figures(validation.errors),
        f"learning rate {validation.learning_rate:.2g}",
    ]
    return "  ".join(parts) + ("  best" if validation.is_best else "")


def _figures(errors: PropertyErrors) -> list[str]:
    """Errors in meV, of what was measured."""
    figures = [
        ("forces RMSE", errors.forces, "meV/A"),
        ("energy RMSE", errors.energy_per_atom, "meV/atom"),
        ("stress RMSE", errors.stress, "meV/A^3"),
    ]
    return [f"{title} {_milli(error)} {unit}" for title, error, unit in figures if error is not None]


def _validated(module: TrainingModule) -> str:
    if module.validation is None or module.best is None:
        return ""
    best = module.best
    figure = best.errors.forces or best.errors.energy_per_atom
    of_best = f", best {_milli(figure)} (epoch {best.epoch:g})" if figure is not None else ""
    return "  validation: " + ", ".join(_figures(module.validation.errors)[:2]) + of_best


def _milli(error: Error) -> str:
    return f"{1e3 * error.rmse:.4g}"


def _clock(seconds: float) -> str:
    """`45s`, `3m 20s`, `2h 05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
