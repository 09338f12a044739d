"""Search for runs below a folder."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from potentials.dashboard.reading.folder import Folder, readable

RESOLVED, STATUS, METRICS, STEPS, ERRORS, LOG, REPORT = (
    *("resolved.yaml", "status.json", "metrics.csv", "steps.csv", "errors.json", "log.txt", "report.html"),
)
"""Files of a run, as named in `training.lifecycle.run_folder`, which is not imported for a fast start."""
_MARKS = {RESOLVED, STATUS}
"""A folder with one of these files is a run."""
_NOT_RUNS = {"wandb", "mlruns", "tensorboard", "lightning_logs", "node_modules", "__pycache__"}
"""Folders of other programs, which may contain very many files."""
_DEEPEST = 6
_MOST_FOLDERS = 20_000
_MOST_RUNS = 5_000


@dataclass(frozen=True)
class Run:
    """A run that was found."""

    key: str
    """Identifier in addresses and requests, derived from the path."""
    path: Path
    """Path relative to the folder."""
    name: str
    """Displayed name."""


@dataclass(frozen=True)
class Search:
    """Result of a search."""

    runs: list[Run]
    remarks: list[str] = field(default_factory=list)
    """Skipped folders, and the reasons."""


def find_runs(folder: Folder) -> Search:
    """Find all runs in a folder and below it, sorted by name. Links to folders are not followed."""
    found: list[Run] = []
    remarks: list[str] = []
    links = looked = 0
    waiting = [Path()]
    while waiting:
        if looked >= _MOST_FOLDERS or len(found) >= _MOST_RUNS:
            remarks.append(
                f"the search stopped after {looked} folders and {len(found)} runs; open the dashboard on a subfolder"
            )
            break
        here = waiting.pop()
        looked += 1
        try:
            with os.scandir(folder.path / here) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if here.parts:
                remarks.append(f"{readable(str(here))}: {error.strerror or 'it cannot be listed'}")
            continue
        if any(entry.name in _MARKS and _is_file(entry) for entry in listed):
            found.append(_run(folder, here))
        links += sum(entry.is_symlink() for entry in listed)
        if len(here.parts) < _DEEPEST:
            waiting += [here / entry.name for entry in listed if _may_hold_runs(entry)]
    if links:
        remarks.append(f"{links} symbolic link{'s were' if links > 1 else ' was'} not followed")
    return Search(sorted(found, key=lambda run: _natural(run.name)), remarks)


def _run(folder: Folder, path: Path) -> Run:
    key = hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()
    return Run(key, path, readable(str(path) if path.parts else folder.path.name))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _may_hold_runs(entry: os.DirEntry[str]) -> bool:
    try:
        return not entry.name.startswith(".") and entry.name not in _NOT_RUNS and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that places `run-10` after `run-9`."""
    return [
        (int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)
    ]
