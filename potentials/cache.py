"""Where the program keeps what it can make or fetch again: compiled kernels and downloaded data."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger("potentials.cache")
_DIGEST_BYTES = 32

CACHE_VARIABLE = "POTENTIALS_CACHE"


def cache_path(room: str) -> Path:
    """The folder `room` of the cache, whether it exists or not.

    The cache is the folder of the environment variable POTENTIALS_CACHE, or else `potentials` in the user's cache.
    """
    given = os.environ.get(CACHE_VARIABLE)
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "potentials"
    return base / room


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
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as aside:
            aside.write(hashlib.sha256(value).digest() + value)
        Path(aside.name).replace(path)
    except OSError as error:
        logger.warning("nothing can be kept in %s: %s", path.parent, error)
