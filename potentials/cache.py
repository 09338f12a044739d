"""Where the program keeps what it can make or fetch again: compiled kernels and downloaded data."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "POTENTIALS_CACHE"


def cache_path(room: str) -> Path:
    """The folder `room` of the cache, whether it exists or not.

    The cache is the folder of the environment variable POTENTIALS_CACHE, or else `potentials` in the user's cache.
    """
    given = os.environ.get(CACHE_VARIABLE)
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "potentials"
    return base / room
