"""Writing files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

Contents: TypeAlias = bytes | memoryview | Iterable[bytes]
"""Of a file: at once, or piece by piece."""


def write_whole(path: Path, contents: Contents) -> None:
    """Write a file that appears whole or not at all, also when the process is killed or the machine loses power.

    Raises:
        OSError: it cannot be written; what was there before is as it was.
    """
    put_in_place(write_aside(path, contents), path)


def write_text(path: Path, text: str) -> None:
    """`write_whole` for text, in UTF-8; bytes of file names that are no text are written as escapes."""
    write_whole(path, text.encode(errors="backslashreplace"))


def write_shared(path: Path, contents: bytes) -> None:
    """Write a file that several processes may write at once: whole, by whoever comes last.

    Each writes aside under a name of its own. It is not made sure that the file reaches the disk, for it can be made
    again, and only its user can read it.

    Raises:
        OSError: it cannot be written; what was there before is as it was.
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
    """A name of an existing file that is UTF-8, for libraries that take no other: its own, or that of an open file.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield os.fspath(path)


def write_aside(path: Path, contents: Contents) -> Path:
    """Write, to the disk itself, a file beside `path`, which `put_in_place` renames; it is removed if that fails.

    It has the permissions that any new file of this user has, which those of `tempfile` do not, and always the same
    name, so that what killed processes leave does not add up.

    Returns:
        The file beside `path`.

    Raises:
        OSError: it cannot be written.
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
    """Give what `write_aside` wrote its name, and make sure that this has reached the disk.

    Raises:
        OSError: it cannot be renamed; it is removed then.
    """
    try:
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    synchronize(path.parent)


def synchronize(path: Path) -> None:
    """Wait until a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
