"""Structures as they come from files: anything ASE reads, lists, globs, slices and built-in sets."""

from __future__ import annotations

from dataclasses import dataclass

from ase import Atoms


@dataclass(frozen=True, eq=False)
class Frame:
    """One structure and where it comes from."""

    atoms: Atoms
    file: str
    index: int
    """Number of the frame in its file, from 0."""

    def __str__(self) -> str:
        return f"{self.file}, frame {self.index}"
