"""Atomic writing of files: a file is written completely or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

Contents: TypeAlias = bytes | memoryview | Iterable[bytes]
"""Contents of a file, complete or in pieces."""


def write_whole(path: Path, contents: Contents) -> None:
    """Write a file atomically, also if the process is killed or the machine loses power.

    Raises:
        OSError: the file cannot be written; an existing file is left unchanged.
    """
    put_in_place(write_aside(path, contents), path)


def write_text(path: Path, text: str) -> None:
    """Write text atomically (`write_whole`) in UTF-8; bytes of file names that are not valid text are escaped."""
    write_whole(path, text.encode(errors="backslashreplace"))


def write_shared(path: Path, contents: bytes) -> None:
    """Write a file atomically that several processes may write at the same time; the last one wins.

    Each process writes to a temporary file with its own name. The file is not flushed to the disk, because it can be
    computed again, and only its user can read it.

    Raises:
        OSError: the file cannot be written; an existing file is left unchanged.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
        partial = Path(aside.name)
        try:
            aside.write(contents)
            aside.flush()
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def utf8_name(path: Path) -> Iterator[str]:
    """Yield a UTF-8 name of an existing file, for libraries that require one: its own or that of an open descriptor.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield os.fspath(path)


def write_aside(path: Path, contents: Contents) -> Path:
    """Write a file beside `path` and flush it to the disk; it is removed if that fails. `put_in_place` renames it.

    It has the permissions of any new file of this user, unlike files of `tempfile`, and always the same name, so that
    leftovers of killed processes do not accumulate.

    Returns:
        The file beside `path`.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines([contents] if isinstance(contents, bytes | memoryview) else contents)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial


def put_in_place(partial: Path, path: Path) -> None:
    """Rename a file written by `write_aside` to `path` and flush the folder to the disk.

    Raises:
        OSError: the file cannot be renamed; it is removed in that case.
    """
    try:
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    synchronize(path.parent)


def synchronize(path: Path) -> None:
    """Flush a file or a folder listing to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
