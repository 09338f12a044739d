"""Details of one run, in addition to its row and its curves."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from potentials.dashboard.reading.configuration import LARGEST
from potentials.dashboard.reading.folder import Folder, readable
from potentials.dashboard.reading.log_warnings import last_lines
from potentials.dashboard.reading.runs import ERRORS, LOG, RESOLVED
from potentials.dashboard.watch import RunWatch

_LARGEST_ERRORS = 4 * 1024 * 1024
_MOST_FILES = 200
_MOST_ROWS = 400
_PROPERTIES = {"energy": "energy_per_atom", "forces": "forces", "stress": "stress"}


def details(watch: RunWatch) -> dict[str, Any]:
    """Return warnings, error tables, configuration, the end of the log, and the files of a run."""
    folder, path = watch.folder, watch.run.path
    config = folder.read(path / RESOLVED, LARGEST)
    warnings = [asdict(warned) for warned in reversed(watch.warnings.latest)]
    return {
        "warnings": warnings,
        "errors": error_rows(folder.read(path / ERRORS, _LARGEST_ERRORS)),
        "config": None if config is None else config.decode("utf-8", "replace"),
        "log": _log(folder, path / LOG),
        "files": files_of(folder, path),
    }


def error_rows(text: bytes | None) -> list[dict[str, Any]]:
    """Return the error tables of `errors.json` in meV, meV/A and meV/A^3: a row per split, element and group.

    Entries of another form are omitted.
    """
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return []
    splits = found.get("splits") if isinstance(found, dict) else None
    rows: list[dict[str, Any]] = []
    for split in splits if isinstance(splits, list) else []:
        if not isinstance(split, dict):
            continue
        name = readable(str(split.get("split", "")))
        rows.append(
            {"split": name, "kind": "split", "name": "", "frames": _finite(split.get("frames"))}
            | _errors(split.get("errors"))
        )
        for symbol, error in _items(split.get("elements")):
            rows.append({"split": name, "kind": "element", "name": symbol, "frames": None} | _errors({"forces": error}))
        for group, errors in _items(split.get("groups")):
            rows.append({"split": name, "kind": "group", "name": group, "frames": None} | _errors(errors))
    return rows[:_MOST_ROWS]


def files_of(folder: Folder, path: Path) -> list[dict[str, Any]]:
    """Return name, size and time of the regular files in a run folder, without subfolders and hidden files."""
    files = []
    try:
        with os.scandir(folder.path / path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name)[:_MOST_FILES]:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and not entry.name.startswith("."):
                    files.append({"name": readable(entry.name), "size": found.st_size, "modified": found.st_mtime})
    except OSError:
        return files  # the files listed before the folder was removed
    return files


def _items(found: Any) -> Iterator[tuple[str, Any]]:
    for name, value in found.items() if isinstance(found, dict) else ():
        yield readable(str(name)), value


def _errors(errors: Any) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for name, key in _PROPERTIES.items():
        error = errors.get(key) if isinstance(errors, dict) else None
        for kind in ("mae", "rmse"):
            value = _finite(error.get(kind)) if isinstance(error, dict) else None
            row[f"{name}_{kind}"] = None if value is None else 1e3 * value
    return row


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return value if is_number and math.isfinite(value) else None


def _log(folder: Folder, path: Path) -> list[str]:
    try:
        with folder.open(path) as file:
            return last_lines(file)
    except OSError:
        return []
