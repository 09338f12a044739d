"""Reader of wandb's files on the disk: protocol buffers in the log format of LevelDB.

wandb writes blocks of 32 KiB, so a killed process loses up to a block of its latest rows. The last step on the disk has
to be read from the files; wandb has no public function for this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.proto import wandb_internal_pb2

_BLOCK = 32768
_HEADER = 7
"""Bytes of the header of the file and of each fragment: checksum (4), length (2), fragment type (1)."""
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def last_step(folder: Path, run_id: str) -> int:
    """Return the last step whose metrics are in the files of earlier starts of a run; 0 if there is none.

    Args:
        folder: folder of the run.
        run_id: wandb's run ID.
    """
    last = 0
    for file in folder.glob(f"wandb/*run-*-{run_id}/*.wandb"):
        for record in read_records(file):
            if record.WhichOneof("record_type") == "history":
                steps = [item for item in record.history.item if "_step" in (item.key, *item.nested_key)]
                last = max([last, *(int(json.loads(item.value_json)) for item in steps)])
    return last


def read_records(file: Path) -> Iterator[Any]:
    """Yield the records of a `.wandb` file up to its end or to where it is truncated."""
    for message in _messages(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        try:
            record.ParseFromString(message)
        except DecodeError:
            return
        yield record


def _messages(data: bytes) -> Iterator[bytes]:
    place, whole = _HEADER, b""
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
