"""Stopping a run at a signal (Ctrl-C or from a batch system) or at `max_time`, and the times of checkpoints."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any, cast

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from potentials.exit_codes import ENDING_SIGNALS
from potentials.interrupts import remembered, winning_interrupts
from potentials.training.lifecycle.signal_watch import watching
from potentials.training.module import TrainingModule

_CTRL_C = b"\ninterrupted: a checkpoint is saved after this step; press Ctrl-C again to stop immediately\n"
_PREEMPTED = b"\nreceived a termination signal (SIGTERM or SIGUSR1): a checkpoint is saved after this step\n"


class Interruption(BaseException):
    """Raised when a signal arrives while no step needs to be finished.

    Derived from `BaseException`, like `KeyboardInterrupt`, so that libraries do not handle it as an error.
    """


class StopRequests(Callback):
    """Ends training after the current step at a signal or at the time limit.

    The first Ctrl-C (SIGINT), SIGTERM or SIGUSR1 (which batch systems send before they kill a job) requests the end; a
    second Ctrl-C kills the process, while batch systems may repeat their signals. A stop within an epoch is followed by
    a checkpoint. An interruption leaves no other results that an uninterrupted run would not have: a validation runs
    only if there is no model yet, so that a first model is available.

    Args:
        max_time: training time of the run, summed over its continuations.
        checkpoint_interval: longest time between two checkpoints; `None` for checkpoints at ends of epochs only.
    """

    def __init__(self, max_time: timedelta | None, checkpoint_interval: timedelta | None = None) -> None:
        self.max_time = max_time
        self.checkpoint_interval = checkpoint_interval
        self.signal: signal.Signals | None = None
        """The signal that requested the end."""
        self.time_limit_reached = False
        self.checkpoint_is_due = False
        """Whether to write a checkpoint after this step."""
        self._interrupted_anywhere = False
        self._training = False
        self._earlier = 0.0
        self._start: float | None = None
        self._saved = 0.0
        self._owner = os.getpid()
        self._answered = threading.Event()

    @property
    def interrupted(self) -> bool:
        """Whether a signal requested the end."""
        return self.signal is not None

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, including those before the run was continued."""
        return self._earlier + (0.0 if self._start is None else time.monotonic() - self._start)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle signals within the context: during the fit as described above, otherwise by `Interruption`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
        self._take_over()
        try:
            with winning_interrupts(), watching(ENDING_SIGNALS, self._answered, lambda: self._training):
                yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Delay signals to the end of a step from now on, because an exception would be lost in forked workers."""
        self._training = True

    def fit_ended(self) -> None:
        """Raise `Interruption` at signals from now on: workers have ended, and no step needs to be finished."""
        self._training = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock and replace Lightning's signal handlers, which would end training without a message."""
        self._start = self._saved = time.monotonic()
        if signal.getsignal(signal.SIGINT) == self._on_signal:
            self._take_over()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if requested, after a checkpoint."""
        waited = time.monotonic() - self._saved
        due = self.checkpoint_interval is not None and waited > self.checkpoint_interval.total_seconds()
        due = self._agree(trainer, due)
        within_epoch = not trainer.is_last_batch
        self.checkpoint_is_due = within_epoch and (due or self._stopping)
        if not self._stopping:
            return
        trainer.should_stop = True
        if not self._interrupted_anywhere:
            # Independent of `validate_every`, because this may be the only opportunity to keep these weights.
            trainer.check_val_every_n_epoch = 1
        elif within_epoch:
            # If this is not the first validation, set an interval of epochs that is never reached.
            first = cast(TrainingModule, pl_module).best is None
            trainer.check_val_every_n_epoch = 1 if first else sys.maxsize

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the next epoch if requested during validation."""
        if not trainer.should_stop:
            self._agree(trainer, False)
            trainer.should_stop = self._stopping

    def saved(self) -> None:
        """Record that a checkpoint was written."""
        self._saved = time.monotonic()
        self.checkpoint_is_due = False

    def state_dict(self) -> dict[str, Any]:
        """Return the training time so far."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the training time."""
        self._earlier = state_dict["elapsed"]

    @property
    def _stopping(self) -> bool:
        return self._interrupted_anywhere or self.time_limit_reached

    def _agree(self, trainer: Trainer, due: bool) -> bool:
        """Share signals and due checkpoints among all processes; return whether any process has a checkpoint due."""
        self.time_limit_reached = self.max_time is not None and self.elapsed > self.max_time.total_seconds()
        self._interrupted_anywhere = self.interrupted
        if trainer.world_size == 1:
            return due
        # A signal may arrive during this call; decisions use the values that all processes share.
        mine = [float(self.signal or 0), float(self.time_limit_reached), float(due)]
        state = torch.tensor(mine, device=trainer.strategy.root_device)
        number, reached, due_anywhere = torch.as_tensor(trainer.strategy.reduce(state, reduce_op="max")).tolist()
        self._interrupted_anywhere = number > 0
        if self._interrupted_anywhere:
            self.signal = signal.Signals(int(number))
        self.time_limit_reached = reached > 0
        return due_anywhere > 0

    def _take_over(self) -> None:
        for number in ENDING_SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return  # In a worker process that loads batches, which this process will end.
        self._answered.set()
        again = self.signal == signal.SIGINT and number == signal.SIGINT
        if self.signal is None or number != signal.SIGINT:
            self.signal = signal.Signals(number)
        if again:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self._training:
            raise remembered(Interruption(self.signal.name))
        else:
            # Not through Python's streams, which are not reentrant: the main program may be writing to one of them.
            os.write(2, _CTRL_C if number == signal.SIGINT else _PREEMPTED)
