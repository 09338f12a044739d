"""Whether the process of a run that says it is running is still there."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil

_CLOCKS = 5.0
"""Seconds by which a process may seem to have started after it wrote so."""
_PATIENCE = 120.0
"""Seconds without a change of a file after which a run elsewhere counts as silent, at least."""
_ROWS = 6.0
"""The same, in times from one row of a file to the next."""


@dataclass(frozen=True)
class Life:
    """What is known."""

    alive: bool
    note: str = ""
    """Why it is taken for dead, or how it is known."""


def life(status: dict[str, Any], modified: float, row_seconds: float | None) -> Life:
    """Judge a run whose `status.json` says that it is running.

    Args:
        status: of the run; `host`, `pid` and `started` are asked if they are there.
        modified: when a file of it changed last, seconds since 1970.
        row_seconds: from one row of its files to the next.
    """
    host, pid = status.get("host"), status.get("pid")
    if host == socket.gethostname() and isinstance(pid, int) and 0 < pid < 2**31:
        return _of_process(pid, status.get("started"))
    patience = max(_PATIENCE, _ROWS * (row_seconds or 0.0))
    if time.time() - modified <= patience:
        return Life(True)
    where = f" on {host}" if isinstance(host, str) and host else ""
    return Life(False, f"no activity{where}: the files of the run no longer change")


def _of_process(pid: int, started: Any) -> Life:
    gone = Life(False, f"process {pid} ended without a message")
    try:
        begun = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return gone
    except psutil.AccessDenied:
        return Life(True, f"process {pid}")
    try:
        wrote = datetime.fromisoformat(started).timestamp()
    except (TypeError, ValueError, OverflowError):
        return Life(True, f"process {pid}")
    return gone if begun > wrote + _CLOCKS else Life(True, f"process {pid}")
