"""Warnings in a run's `log.txt`, with the frames that they list."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import BinaryIO

from potentials.dashboard.reading.folder import FileVersion

_HEAD, _TAIL = 64 * 1024, 192 * 1024
"""Bytes read at the beginning (messages of the preparation) and at the end of a long log."""
_LONGEST = 2_000
"""Longest warning in characters; the rest is cut."""
_KEPT = 50
_MARK = b"  warning: "
_LINE = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  warning: (.*)$", re.MULTILINE)
_ONE_FRAME = re.compile(r"([^\s,;()]+), frame (\d+)(?: \(([^()\s]{1,20})\))?")
_SOME_FRAMES = re.compile(r"\(([^()\n]+?): (\d+(?:, \d+)*(?:, \.\.\.)?)\)")


@dataclass(frozen=True)
class Frames:
    """Frames of one file that are listed in a warning."""

    source: str
    frames: str
    """Numbers of the frames, or a number with a remark."""


@dataclass(frozen=True)
class Warned:
    """A warning."""

    time: str
    text: str
    frames: list[Frames]


@dataclass
class LogWarnings:
    """Warnings of a log, read incrementally."""

    count: int = 0
    exact: bool = True
    """Whether the log was read completely; otherwise there may be more warnings."""
    latest: list[Warned] = field(default_factory=list)
    """The latest warnings in order of time."""
    _inode: int = -1
    _read: int = 0

    def update(self, file: BinaryIO) -> None:
        """Read appended lines, or all lines if the file was replaced. The log is not locked, because runs lock it."""
        found = os.fstat(file.fileno())
        version = FileVersion(found.st_ino, found.st_size, found.st_mtime_ns)
        if version.inode != self._inode or version.size < self._read:
            self.count, self.exact, self.latest, self._inode, self._read = 0, True, [], version.inode, 0
        missing = version.size - self._read
        if missing > _HEAD + _TAIL:
            self.exact = False
            if self._read == 0:
                self._add(file.read(_HEAD), whole=False)
            self._read = file.seek(version.size - _TAIL)
            self._read += len(file.readline(_TAIL))  # the rest of a line whose beginning was skipped
        file.seek(self._read)
        text = file.read(version.size - self._read)
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        self._add(whole)

    def _add(self, text: bytes, whole: bool = True) -> None:
        if _MARK not in text:
            return
        found = _LINE.findall(text if whole else text[: text.rfind(b"\n") + 1])
        self.count += len(found)
        self.latest = [*self.latest, *(_warned(*parts) for parts in found[-_KEPT:])][-_KEPT:]


def frames_in(text: str) -> list[Frames]:
    """Return the frames listed in a warning in our formats: `FILE, frame 3 (38.1)` or `(FILE: 1, 2, ...)`."""
    single = [
        Frames(source, f"{number}{f' ({said})' if said else ''}") for source, number, said in _ONE_FRAME.findall(text)
    ]
    return single + [Frames(source, numbers) for source, numbers in _SOME_FRAMES.findall(text)]


def last_lines(file: BinaryIO, num_bytes: int = 24 * 1024, longest: int = 600) -> list[str]:
    """Return the lines among the last bytes of a log, each cut to a maximum length."""
    end = file.seek(0, os.SEEK_END)
    first = max(0, end - num_bytes)
    file.seek(first)
    lines = file.read(num_bytes).decode("utf-8", "replace").split("\n")[(first > 0) :]
    return [line if len(line) <= longest else f"{line[:longest]} ..." for line in lines if line.strip()]


def _warned(time: bytes, text: bytes) -> Warned:
    said = text.decode("utf-8", "replace").strip()
    cut = said if len(said) <= _LONGEST else f"{said[:_LONGEST]} ..."
    return Warned(time.decode(), cut, frames_in(cut))
