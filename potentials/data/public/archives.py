"""Members of a tar archive, read without writing any of them to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from potentials.errors import DataError


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the wanted files of a tar archive, compressed or not, in order.

    Raises:
        DataError: the archive is damaged; a member has an absolute name or one with `..`; a wanted member is a link or
            a device.
    """
    try:
        with tarfile.open(archive, "r|*") as members:
            for member in members:
                name = _checked_name(archive, member.name)
                if member.isdir() or not wanted(name):
                    continue
                content = members.extractfile(member) if member.isreg() else None
                if content is None:
                    raise DataError(f"{archive}: {name} is a link or a device, expected a regular file")
                yield name, content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"cannot read the archive {archive}: {error}") from error


def _checked_name(archive: Path, name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f'{archive}: the member "{name}" points outside of the archive; the archive is not used')
    return str(path)
