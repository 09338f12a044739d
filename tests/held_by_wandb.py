"""What the files that wandb wrote without a network hold."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from potentials.training.loggers.wandb_files import read_records


@dataclass
class WandbFile:
    """What one `.wandb` file holds."""

    run_ids: set[str] = field(default_factory=set)
    sweep_ids: set[str] = field(default_factory=set)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row for each step that was logged."""
    summary: dict[str, Any] = field(default_factory=dict)
    system: set[str] = field(default_factory=set)
    """Names of the system metrics."""
    artifacts: dict[str, list[str]] = field(default_factory=dict)
    """Names of artifacts, `type/name`, and the files in them."""
    exit_code: int | None = None


def read_wandb_file(path: Path) -> WandbFile:
    """Read a file to its end, or to where it was cut off."""
    found = WandbFile()
    for record in read_records(path):
        _take(found, record)
    return found


def read_finished(path: Path, seconds: float = 30.0) -> WandbFile:
    """Read the file of a run that has been finished; wandb's own process may still be writing for a moment."""
    end = time.monotonic() + seconds
    while (found := read_wandb_file(path)).exit_code is None and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _take(found: WandbFile, record: Any) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        found.run_ids.add(record.run.run_id)
        found.sweep_ids.add(record.run.sweep_id)
        found.config |= _values(record.run.config.update)
    elif kind == "history":
        found.history.append(_values(record.history.item))
    elif kind == "summary":
        found.summary |= _values(record.summary.update)
    elif kind == "stats":
        found.system |= {item.key for item in record.stats.item}
    elif kind == "exit":
        found.exit_code = record.exit.exit_code
    elif kind in ("artifact", "request"):
        artifact = record.artifact if kind == "artifact" else record.request.log_artifact.artifact
        if artifact.name:
            files = [entry.path for entry in artifact.manifest.contents]
            found.artifacts[f"{artifact.type}/{artifact.name}"] = files


def _values(items: Any) -> dict[str, Any]:
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
