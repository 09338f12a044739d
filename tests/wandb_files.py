"""Reads what wandb wrote without a network: files of protocol buffers in the log format of LevelDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as protocol

_BLOCK = 32768
_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


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
    for message in _messages(path.read_bytes()):
        record = protocol.Record()
        record.ParseFromString(message)
        _take(found, record)
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


def _messages(data: bytes) -> Iterator[bytes]:
    """The records of a log: blocks of 32 KiB, each piece with a checksum, its length and its place in a record."""
    place, whole = _HEADER, b""  # wandb's own header of the file has seven bytes too
    while place + _HEADER <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        piece = data[place + _HEADER : place + _HEADER + length]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or len(piece) < length:
            return
        place += _HEADER + length
        whole = piece if kind in (_FULL, _FIRST) else whole + piece
        if kind in (_FULL, _LAST):
            yield whole
