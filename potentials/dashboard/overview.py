"""Rows of all runs, and their changes since the last request."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import Any

from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.reading.runs import Run, Search, find_runs
from potentials.dashboard.watch import RunWatch

_SEARCH_SECONDS = 5.0
"""Longest age of a search for runs in seconds."""
_LOOK_SECONDS = 0.8
"""Longest age of rows in seconds: several browser windows do not increase the number of reads."""


class Overview:
    """All runs of a folder.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._watches: dict[str, RunWatch] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, int] = {}
        self._search = Search([])
        self._revision = 0
        self._members_changed = 0
        self._searched = self._looked = float("-inf")

    def changes(self, since: int) -> dict[str, Any]:
        """Return the rows that changed after a revision, and the keys of all runs if the list changed.

        A revision higher than the current one comes from an earlier process; all rows are then returned.
        """
        with self._lock:
            self._look()
            if since > self._revision:
                since = 0
            rows = [self._rows[run.key] for run in self._search.runs if self._changed[run.key] > since]
            result: dict[str, Any] = {"revision": self._revision, "rows": rows, "time": time.time()}
            if self._members_changed > since or since == 0:
                result |= {"keys": [run.key for run in self._search.runs], "remarks": self._search.remarks}
            return result

    def watch(self, key: str) -> RunWatch | None:
        """Return the watch of one run, or `None` if there is no such run."""
        with self._lock:
            if key not in self._watches:
                self._look()
            return self._watches.get(key)

    def summary(self, key: str) -> dict[str, Any] | None:
        """Return the row of one run."""
        with self._lock:
            self._look()
            return self._rows.get(key)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        if now - self._searched >= _SEARCH_SECONDS:
            self._find()
            self._searched = now
        revision = self._revision + 1
        for key, watch in self._watches.items():
            row = asdict(watch.summary())
            if row != self._rows.get(key):
                self._rows[key], self._changed[key], self._revision = row, revision, revision
        self._looked = time.monotonic()

    def _find(self) -> None:
        search = find_runs(self.folder)
        if search == self._search:
            return
        found: dict[str, Run] = {run.key: run for run in search.runs}
        for key in [key for key in self._watches if key not in found]:
            del self._watches[key], self._rows[key], self._changed[key]
        for key, run in found.items():
            if key not in self._watches:
                self._watches[key] = RunWatch(self.folder, run)
        self._search = search
        self._revision += 1
        self._members_changed = self._revision
