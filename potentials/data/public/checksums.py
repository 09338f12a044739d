"""Checksums of files as stated by their sources."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """The expected digest of a file.

    `sha256` is that of the content. `git-sha1` is git's name of the content, the SHA-1 of "blob SIZE", a zero byte and
    the content (printed by `git hash-object FILE`); a commit determines it for each of its files.
    """

    algorithm: Literal["sha256", "git-sha1"]
    digest: str
    """In hexadecimal digits."""

    def of(self, path: Path) -> str:
        """Compute the digest of a file with this algorithm."""
        if self.algorithm == "sha256":
            state = hashlib.sha256()
        else:
            state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
        return state.hexdigest()

    def fits(self, path: Path) -> bool:
        """Return whether a file has the expected digest."""
        return self.of(path) == self.digest

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}"
