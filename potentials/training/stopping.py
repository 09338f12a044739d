"""Stopping a run from outside: Ctrl-C, a termination signal, or the end of `max_time`."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = b"\ninterrupted: stopping after this step and a validation; once more to stop at once\n"


class StopRequests(Callback):
    """Ends training after the present step, with a validation, when it was interrupted or its time is over.

    The first Ctrl-C (SIGINT, or SIGTERM as batch systems send it) asks for that; the second kills the process, and
    leaves what the last complete epoch wrote.

    Args:
        max_time: training time of the run, summed over its continuations.
    """

    def __init__(self, max_time: timedelta | None) -> None:
        self.max_time = max_time
        self.interrupted = False
        self.time_is_over = False
        self._earlier = 0.0
        self._start: float | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, those before the run was continued included."""
        return self._earlier + (0.0 if self._start is None else time.monotonic() - self._start)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and take over the signals from Lightning, which would end within an epoch without a word."""
        self._start = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if asked to."""
        self._consider(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if asked to during validation, before another epoch begins."""
        self._consider(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._release()

    def state_dict(self) -> dict[str, Any]:
        """The time used so far."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on from there."""
        self._earlier = state_dict["elapsed"]

    def _consider(self, trainer: Trainer) -> None:
        self.time_is_over = self.max_time is not None and self.elapsed > self.max_time.total_seconds()
        asked = self.interrupted or self.time_is_over
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            trainer.should_stop = True
            # Validate now, whatever `validate_every` says: there may be no other chance to keep these weights.
            trainer.check_val_every_n_epoch = 1

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.interrupted = True
        # Not by way of Python's streams: the main program may be within one of them, and they are not reentrant.
        os.write(2, _INTERRUPTED)

    def _release(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
