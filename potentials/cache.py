"""Folder for data that can be computed or downloaded again: compiled kernels and downloaded data sets."""

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


def cache_path(folder: str) -> Path:
    """Return the subfolder `folder` of the cache; it may not exist yet.

    The cache is the folder named by the environment variable POTENTIALS_CACHE, or else `potentials` in the user's cache
    folder. Without a writable home folder, as in many containers, a temporary folder of the user is used.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given) / folder
    user = os.environ.get("XDG_CACHE_HOME")
    if user:
        return Path(user) / "potentials" / folder
    home = usable_home()
    return (temporary_home() if home is None else home / ".cache" / "potentials") / folder


def usable_home() -> Path | None:
    """Return the user's home folder, or None if there is none or it is not writable."""
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
    """Return a temporary folder of this user, the same for all processes, that no other user can write to.

    Compiled code is loaded from it, so a folder created by another user is rejected.
    """
    folder = Path(tempfile.gettempdir()) / f"potentials-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
    except OSError:  # for example a file of that name
        pass
    return Path(tempfile.mkdtemp(prefix="potentials-"))


def kept(path: Path) -> bytes | None:
    """Return the contents that `keep` wrote to a cache file; None if the file is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, value = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return value if hashlib.sha256(value).digest() == digest else None


def keep(path: Path, value: bytes) -> None:
    """Write a cache file atomically, so that processes that start together never read a partial file.

    If the cache is not writable, nothing is stored and the failure is logged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_shared(path, hashlib.sha256(value).digest() + value)
    except OSError as error:
        logger.warning("cannot write to the cache %s: %s", path.parent, error)
