"""Checksums of files as their sources state them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Checksum:
    """What a file's digest has to be.

    `sha256` is that of the content. `git-sha1` is the name that git gives to the content, SHA-1 of "blob SIZE", a zero
    byte and the content (`git hash-object FILE` prints it): a commit fixes it for each of its files, seen or unseen.
    """

    algorithm: Literal["sha256", "git-sha1"]
    digest: str
    """In hexadecimal digits."""

    def of(self, path: Path) -> str:
        """Digest of a file, by this algorithm."""
        if self.algorithm == "sha256":
            state = hashlib.sha256()
        else:
            state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
        return state.hexdigest()

    def fits(self, path: Path) -> bool:
        """Whether a file is the one meant."""
        return self.of(path) == self.digest

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}"
