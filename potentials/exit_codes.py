"""What asks a command to end, and what the command line ends with."""

from __future__ import annotations

from signal import Signals

ENDING_SIGNALS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGUSR1)
"""Ctrl-C, and what batch systems send before they kill."""
BAD_INPUT = 2
INTERRUPTED = 130
REQUEUE = 75
"""EX_TEMPFAIL of sysexits.h: it failed for now, try again later."""


def interruption_code(cause: Signals | None) -> int:
    """The exit code of something that a signal interrupted and that can be continued: REQUEUE, but for Ctrl-C."""
    return INTERRUPTED if cause in (None, Signals.SIGINT) else REQUEUE
