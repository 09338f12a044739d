"""Signals that end a command, and the exit codes of the command line."""

from __future__ import annotations

from signal import Signals

ENDING_SIGNALS = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGUSR1)
"""Ctrl-C, and the signals that batch systems send before they end a job."""
BAD_INPUT = 2
INTERRUPTED = 130
REQUEUE = 75
"""EX_TEMPFAIL of sysexits.h: a temporary failure that can be retried later."""


def interruption_code(cause: Signals | None) -> int:
    """Return the exit code of an interrupted command that can be continued: REQUEUE, or INTERRUPTED after Ctrl-C."""
    return INTERRUPTED if cause in (None, Signals.SIGINT) else REQUEUE
