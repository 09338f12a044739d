"""The folder of compiled code, and which source the code was made from."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from potentials.cache import cache_path


def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None where nothing can be written, and kernels are compiled anew each time."""
    folder = cache_path("kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Code from a folder that somebody else owns is not run.
        own = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        return folder if own and os.access(folder, os.W_OK) else None
    except OSError:
        return None


@cache
def source_digest() -> bytes:
    """A hash of all source that may decide what an emitter writes.

    Emitters stand beside their operators and share tables and formulas with other files, so every file of
    `potentials.kernels` counts: a change of any of them makes new code.
    """
    digest = hashlib.sha256()
    for source in emitter_sources():
        digest.update(source.read_bytes())
    return digest.digest()


def emitter_sources() -> list[Path]:
    """The files that are hashed, in a fixed order."""
    return sorted(Path(__file__).parents[1].rglob("*.py"))
