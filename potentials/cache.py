"""Where the program keeps what it can make or fetch again: compiled kernels and downloaded data."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from potentials.files import write_shared

logger = logging.getLogger("potentials.cache")
_DIGEST_BYTES = 32

CACHE_VARIABLE = "POTENTIALS_CACHE"


def cache_path(room: str) -> Path:
    """The folder `room` of the cache, whether it exists or not.

    The cache is the folder of the environment variable POTENTIALS_CACHE, or else `potentials` in the user's cache. A
    user without a home folder that can be written to, as in many containers, has a temporary folder of their own.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given) / room
    user = os.environ.get("XDG_CACHE_HOME")
    if user:
        return Path(user) / "potentials" / room
    home = usable_home()
    return (temporary_home() if home is None else home / ".cache" / "potentials") / room


def usable_home() -> Path | None:
    """The user's home folder; None where there is none, or nothing can be written to it."""
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return None
    if not home.is_absolute():
        return None
    try:
        there = next(folder for folder in (home, *home.parents) if folder.exists())
    except (OSError, StopIteration):
        return None
    return home if there.is_dir() and os.access(there, os.W_OK | os.X_OK) else None


@cache
def temporary_home() -> Path:
    """A temporary folder of this user, the same for all processes, that nobody else can write to.

    Compiled code is loaded from it, so a folder that somebody else has made is not used.
    """
    folder = Path(tempfile.gettempdir()) / f"potentials-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    except OSError:  # a file, say
        pass
    return Path(tempfile.mkdtemp(prefix="potentials-"))


def kept(path: Path) -> bytes | None:
    """What `keep` wrote to a file of the cache; None if there is none, or if it is not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, value = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return value if hashlib.sha256(value).digest() == digest else None


def keep(path: Path, value: bytes) -> None:
    """Write a file of the cache, aside and renamed, so that processes that start together never read half of it.

    Where nothing can be written nothing is kept, and it is logged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_shared(path, hashlib.sha256(value).digest() + value)
    except OSError as error:
        logger.warning("cannot write to the cache %s: %s", path.parent, error)
