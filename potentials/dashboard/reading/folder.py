"""Reading of files of one folder, and never of files outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class FileVersion:
    """Properties of a file that change when it is changed, available without reading it."""

    inode: int
    size: int
    modified: int
    """Time of modification in nanoseconds."""


class Folder:
    """A folder whose files may be read. Links inside it are not followed, because they may lead outside.

    Args:
        path: the folder; it may not exist yet. Links in the path to it are followed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def version(self, relative: Path) -> FileVersion | None:
        """Return the version of a regular file; `None` if there is no accessible regular file."""
        try:
            found = (self.path / relative).stat(follow_symlinks=False)
        except (OSError, ValueError):
            return None
        return FileVersion(found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def open(self, relative: Path) -> Iterator[BinaryIO]:
        """Open a regular file for reading.

        Each name of the path is opened relative to the previous one and may not be a link, so that a concurrent rename
        cannot lead outside. Pipes and devices are refused without blocking.

        Raises:
            OSError: the file cannot be opened, or is not a regular file within this folder.
        """
        with self._open_descriptor(relative) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file

    def read(self, relative: Path, limit: int) -> bytes | None:
        """Return the contents of a file; `None` if it cannot be read or is larger than `limit` bytes."""
        try:
            with self.open(relative) as file:
                contents = file.read(limit + 1)
        except OSError:
            return None
        return contents if len(contents) <= limit else None

    @contextmanager
    def _open_descriptor(self, relative: Path) -> Iterator[int]:
        names = relative.parts
        if relative.is_absolute() or not names or ".." in names or any("\0" in name for name in names):
            raise PermissionError(f"{relative} is not a file within {self.path}")
        opened = [os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)]
        try:
            for name in names[:-1]:
                opened.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
            opened.append(os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
            if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
                raise PermissionError(f"{relative} is not a regular file")
            yield opened[-1]
        finally:
            for descriptor in opened:
                os.close(descriptor)


def readable(text: str) -> str:
    """Replace invalid characters, as in file names that are not UTF-8, by `?`, so that any encoder accepts the text."""
    return text.encode("utf-8", "replace").decode()
