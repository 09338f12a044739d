"""Progress display during training."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.live import Live
from rich.text import Text

from potentials.training.lifecycle.journal import Journal
from potentials.training.loggers.progress_lines import Moment, clock, moment_line, progress_lines, validation_line
from potentials.training.module import TrainingModule

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = (10.0, 600.0)
"""Seconds between lines without a terminal: 1/50 of the time since the start, within these limits."""
_LONG_EPOCH_SECONDS = 60.0
"""Seconds without a validation after which a line shows the progress within the epoch."""


class ProgressDisplay(Callback):
    """Three lines that are updated in a terminal; elsewhere a line at intervals, preferably after validations.

    The line of each validation is also written to the log file.

    Args:
        journal: output.
        max_epochs: largest number of epochs of the run.
        max_time: time limit of the run.
        seconds: function that returns the training time so far.
    """

    def __init__(
        self, journal: Journal, max_epochs: int, max_time: timedelta | None, seconds: Callable[[], float]
    ) -> None:
        self.journal = journal
        self.max_epochs = max_epochs
        self.max_time = max_time
        self.seconds = seconds
        self._live: Live | None = None
        self._refreshed = 0.0
        self._started = 0.0
        self._said = 0.0
        self._said_validation: float | None = None
        self._begin = (0.0, 0.0)
        self._pace = _Pace()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the display."""
        module = cast(TrainingModule, pl_module)
        self._begin = (module.epochs_trained, self.seconds())
        self._pace.begin(module.frames_trained)
        self._started = self._said = time.monotonic()
        if not trainer.is_global_zero or not self.journal.can_redraw:
            return
        self._live = Live(console=self.journal.console, auto_refresh=False, transient=True)
        self._live.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the display a few times a second; only then are metrics copied from the device."""
        if not trainer.is_global_zero:
            return
        if self._live is None:
            if time.monotonic() - self._said >= max(_LONG_EPOCH_SECONDS, self._line_seconds()):
                self._say(moment_line(self._moment(trainer, cast(TrainingModule, pl_module), batch_idx)))
            return
        if time.monotonic() - self._refreshed < _REFRESH_SECONDS:
            return
        moment = self._moment(trainer, cast(TrainingModule, pl_module), batch_idx)
        lines = progress_lines(moment, self.journal.console.width)
        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)
        self._refreshed = time.monotonic()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Pause the timer: frames per second exclude validation."""
        self._pace.pause()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the line of a validation."""
        self._pace.go_on()
        module = cast(TrainingModule, pl_module)
        validation = module.validation
        if validation is None or not trainer.is_global_zero:
            return
        pace = self._pace.rate(module.frames_trained * trainer.world_size)
        left = clock(self._seconds_left(validation.epoch))
        line = f"{validation_line(validation, self.max_epochs)}  {pace:.3g} frames/s  {left} left"
        last = validation.epoch >= self.max_epochs or trainer.should_stop
        now, said = time.monotonic(), self._said_validation
        if self._live is None and (last or said is None or now - said >= self._line_seconds()):
            self._say(line)
            self._said_validation = now
        else:
            self.journal.record(line)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the display."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the display."""
        self._end()

    def _moment(self, trainer: Trainer, module: TrainingModule, batch_idx: int) -> Moment:
        batches = int(trainer.num_training_batches)
        return Moment(
            epoch=trainer.current_epoch + 1,
            max_epochs=self.max_epochs,
            batch=batch_idx + 1,
            batches=batches,
            loss_terms=module.recent_parts.mean(),
            learning_rate=module.learning_rate.at(max(module.global_step - 1, 0)),
            frames_per_second=self._pace.rate(module.frames_trained * trainer.world_size),
            seconds_left=self._seconds_left(trainer.current_epoch + (batch_idx + 1) / batches),
            validation=module.validation,
            best=module.best,
        )

    def _say(self, line: str) -> None:
        self.journal.say(line)
        self._said = time.monotonic()

    def _line_seconds(self) -> float:
        shortest, longest = _LINE_SECONDS
        return min(max(shortest, (time.monotonic() - self._started) / 50), longest)

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _seconds_left(self, epoch: float) -> float:
        """Estimate the time left from the pace since this start, at most the rest of the time limit."""
        first_epoch, first_seconds = self._begin
        seconds = self.seconds()
        left = (self.max_epochs - epoch) * (seconds - first_seconds) / max(epoch - first_epoch, 1e-9)
        if self.max_time is not None:
            left = min(left, self.max_time.total_seconds() - seconds)
        return left


class _Pace:
    """Frames per second since training started, without validations."""

    def __init__(self) -> None:
        self._frames = 0
        self._since = time.monotonic()
        self._paused = 0.0

    def begin(self, frames: int) -> None:
        self._frames, self._since = frames, time.monotonic()

    def pause(self) -> None:
        self._paused = time.monotonic()

    def go_on(self) -> None:
        self._since += time.monotonic() - self._paused

    def rate(self, frames: int) -> float:
        return (frames - self._frames) / max(time.monotonic() - self._since, 1e-9)
