"""Progress bar of a simulation, and its interruption by the user."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from potentials.interrupts import remembered, winning_interrupts


class StopRequest:
    """A context in which the first Ctrl-C or SIGTERM (sent by batch systems) requests a stop; a second one interrupts.

    `requested` then becomes true, and the loop should end after the current step. Outside the main thread, where Python
    delivers no signals, it never does.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, signal._HANDLER] = {}
        self._interrupts = winning_interrupts()

    def __enter__(self) -> Self:
        self._interrupts.__enter__()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._interrupts.__exit__(kind, error, traceback)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise remembered(KeyboardInterrupt())
        self.requested = True


def simulation_progress(shown: bool) -> Progress:
    """Create a progress bar on standard error, with text fields `temperature` [K] and `speed` [ns/day]."""
    return Progress(
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        BarColumn(),
        TextColumn("{task.fields[temperature]}  {task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown,
    )
