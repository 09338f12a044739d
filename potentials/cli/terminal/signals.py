"""Immediate termination by signals while there is nothing to save."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from potentials.exit_codes import ENDING_SIGNALS, interruption_code


@contextmanager
def exit_on_signal() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGUSR1 end the process at once in this context, with the same exit codes as later.

    Used while packages are imported, which takes seconds. Some packages catch every exception on import, so an
    exception raised by a signal handler would be lost, and the signal with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, _end) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(interruption_code(signal.Signals(number)))
