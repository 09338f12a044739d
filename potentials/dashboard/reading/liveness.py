"""Detection of whether the process of a run with the state `running` still exists."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil

_CLOCKS = 5.0
"""Tolerance in seconds between the recorded and the actual start of a process."""
_PATIENCE = 120.0
"""Shortest time in seconds without a file change after which a run on another machine counts as silent."""
_ROWS = 6.0
"""The same time as a multiple of the interval between rows of a file."""


@dataclass(frozen=True)
class Life:
    """Result of the detection."""

    alive: bool
    note: str = ""
    """Reason for the result."""


def life(status: dict[str, Any], modified: float, row_seconds: float | None) -> Life:
    """Judge a run with the state `running` in `status.json`.

    Args:
        status: status of the run; `host`, `pid` and `started` are used if present.
        modified: time of the latest change of a file of the run, seconds since 1970.
        row_seconds: interval between rows of its files.
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
