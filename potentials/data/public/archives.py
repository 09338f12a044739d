"""Members of a tar archive, read without writing any of them to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from potentials.errors import DataError


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the wanted files of a tar archive, compressed or not, in its order.

    Raises:
        DataError: the archive is damaged; one of its members would lie outside of the folder it is unpacked in (an
            absolute name, or `..`); a wanted member is a link or a device.
    """
    try:
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                name = _checked_name(archive, member.name)
                if member.isdir() or not wanted(name):
                    continue
                content = members.extractfile(member) if member.isreg() else None
                if content is None:
                    raise DataError(f"{archive}: expected {name} to be a plain file; it is a link or a device")
                yield name, content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"cannot read the archive {archive}: {error}") from error


def _checked_name(archive: Path, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f'{archive}: the member "{name}" points out of the archive; nothing of it is used')
    return str(path)
