"""The cache folder of compiled code, and the hash of the source from which it was generated."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from potentials.cache import cache_path


def cache_folder() -> Path | None:
    """Return the folder of compiled kernels; None if it is not writable, so that each process compiles them again."""
    folder = cache_path("kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Code from a folder owned by another user is not executed.
        own = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
        return folder if own and os.access(folder, os.W_OK) else None
    except OSError:
        return None


@cache
def source_digest() -> bytes:
    """Return a hash of all source that may affect the code an emitter writes.

    Emitters are in the folders of their operators and share tables and formulas with other files, so every file of
    `potentials.kernels` is included: after a change of any of them all kernels are compiled again.
    """
    digest = hashlib.sha256()
    for source in emitter_sources():
        digest.update(source.read_bytes())
    return digest.digest()


def emitter_sources() -> list[Path]:
    """Return the hashed files in a fixed order."""
    return sorted(Path(__file__).parents[1].rglob("*.py"))
