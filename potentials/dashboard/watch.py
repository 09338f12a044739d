"""Monitoring of the files of one run; each is read again only when it has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from potentials.dashboard.reading import configuration
from potentials.dashboard.reading.folder import FileVersion, Folder, readable
from potentials.dashboard.reading.log_warnings import LogWarnings
from potentials.dashboard.reading.metrics_table import MetricsTable, read_metrics, read_steps
from potentials.dashboard.reading.runs import LOG, METRICS, REPORT, RESOLVED, STATUS, STEPS, Run
from potentials.dashboard.summary import Readings, Summary, summarize

_LARGEST_STATUS = 64 * 1024

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """Cached contents of a file, read again only when the file has changed.

    Args:
        folder: folder of the file.
        path: path of the file in the folder.
        read: function that reads the value from the open file.
        absent: value if there is no such file.
    """

    def __init__(self, folder: Folder, path: Path, read: Callable[[BinaryIO], Value], absent: Value) -> None:
        self.folder = folder
        self.path = path
        self.version: FileVersion | None = None
        """Version of the file that was read; `None` if there is none."""
        self._read = read
        self._absent = absent
        self._value = absent

    def get(self) -> Value:
        """Return the current value."""
        version = self.folder.version(self.path)
        if version != self.version or version is None:
            self._value, self.version = self._absent, version
            if version is not None:
                try:
                    with self.folder.open(self.path) as file:
                        self._value = self._read(file)
                except OSError:
                    self.version = None  # removed between check and opening, or not readable
        return self._value


class RunWatch:
    """Reads the small files of one run, and the ends of the long files.

    Args:
        folder: folder of all runs.
        run: the run.
    """

    def __init__(self, folder: Folder, run: Run) -> None:
        self.folder = folder
        self.run = run
        self.warnings = LogWarnings()
        nothing: Any = "missing or not readable"
        self._status = self._remember(STATUS, _parse_status, nothing)
        self._config = self._remember(RESOLVED, _parse_config, nothing)
        self._metrics = self._remember(METRICS, read_metrics, MetricsTable())
        self._steps = self._remember(STEPS, read_steps, MetricsTable())
        self._log = self._remember(LOG, self.warnings.update, None)
        self._files: tuple[Remembered[Any], ...] = (self._status, self._config, self._metrics, self._steps, self._log)

    @property
    def config(self) -> configuration.FlatConfig | str:
        """Configuration of the run, or the reason why it is missing."""
        return self._config.get()

    def summary(self) -> Summary:
        """Summarize the state of the run."""
        self._log.get()
        status, config, metrics, steps = self._status.get(), self.config, self._metrics.get(), self._steps.get()
        changed = [file.version.modified for file in self._files if file.version is not None]
        return summarize(
            self.run,
            Readings(
                status=status,
                config=config,
                metrics=metrics,
                steps=steps,
                log=self.warnings,
                updated=max(changed) / 1e9 if changed else None,
                report=self.folder.version(self.run.path / REPORT) is not None,
            ),
        )

    def _remember(self, name: str, read: Callable[[BinaryIO], Value], absent: Value) -> Remembered[Value]:
        return Remembered(self.folder, self.run.path / name, read, absent)


def _parse_status(file: BinaryIO) -> dict[str, Any] | str:
    try:
        status = json.loads(file.read(_LARGEST_STATUS))
    except (ValueError, RecursionError):
        return "damaged or incomplete"
    return status if isinstance(status, dict) else "not the status of a run"


def _parse_config(file: BinaryIO) -> configuration.FlatConfig | str:
    text = file.read(configuration.LARGEST + 1)
    if len(text) > configuration.LARGEST:
        return f"larger than {configuration.LARGEST // 1024} KiB"
    flat = configuration.flat_configuration(text)
    return flat if isinstance(flat, str) else {readable(key): readable(value) for key, value in flat.items()}
