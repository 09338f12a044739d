"""What wandb has on the disk of a run: files of protocol buffers in the log format of LevelDB.

wandb writes them in blocks of 32 KiB, so a process that is killed takes up to a block of its latest rows with it.
Which those are has to be read from the files; wandb has no public function for that.
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
"""Bytes of the header of the file, and of each piece: checksum (4), length (2), place in the record (1)."""
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def last_step(folder: Path, run_id: str) -> int:
    """The last step whose figures the files of a run's earlier starts hold; 0 without any.

    Args:
        folder: of the run.
        run_id: wandb's.
    """
    last = 0
    for file in folder.glob(f"wandb/*run-*-{run_id}/*.wandb"):
        for record in read_records(file):
            if record.WhichOneof("record_type") == "history":
                steps = [item for item in record.history.item if "_step" in (item.key, *item.nested_key)]
                last = max([last, *(int(json.loads(item.value_json)) for item in steps)])
    return last


def read_records(file: Path) -> Iterator[Any]:
    """The records of a `.wandb` file, to its end or to where it was cut off."""
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
