"""Splits whose frames lie in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.config.data import DataConfig
from potentials.data.geometry import structure_hash
from potentials.data.graph import GraphsInMemory, graphs_from_frames
from potentials.data.label import LabeledFrame, data_digest
from potentials.data.read import Located
from potentials.data.split.split import Split


class SplitInMemory(Split):
    """Labeled frames in memory.

    Args:
        frames: of the split.
        digests: [n, 2], `atoms_digest` of each frame as it was read; None where nobody asks for the digest.
        config: the `data` section with which they were read; likewise.
    """

    def __init__(
        self,
        frames: Sequence[LabeledFrame],
        digests: NDArray[np.uint64] | None = None,
        config: DataConfig | None = None,
    ) -> None:
        self.frames = list(frames)
        self.digests = digests
        self.config = config

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...

    @overload
    def __getitem__(self, index: slice) -> SplitInMemory: ...

    def __getitem__(self, index: int | slice) -> LabeledFrame | SplitInMemory:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self.frames[index]

    def take(self, chosen: ArrayLike) -> SplitInMemory:
        """The frames with the numbers `chosen`."""
        numbers = np.asarray(chosen, dtype=np.int64)
        digests = None if self.digests is None else self.digests[numbers]
        return SplitInMemory([self.frames[number] for number in numbers], digests, self.config)

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[n], atoms of each frame."""
        return np.array([len(labeled.frame.atoms) for labeled in self.frames], dtype=np.int64)

    def elements(self) -> set[str]:
        """Symbols that occur in any of the frames."""
        return {symbol for labeled in self.frames for symbol in set(labeled.frame.atoms.get_chemical_symbols())}

    def has_element(self, symbol: str) -> NDArray[np.bool_]:
        """[n], whether an element occurs in a frame."""
        return np.array([symbol in labeled.frame.atoms.get_chemical_symbols() for labeled in self.frames], dtype=bool)

    def group_names(self) -> set[str]:
        """The groups of the frames."""
        return {labeled.group for labeled in self.frames}

    def location(self, index: int) -> Located:
        """The frame itself."""
        return self.frames[index].frame

    def numbers_by_file(self) -> dict[str, list[int]]:
        """The numbers of the frames in their files, by the name of the file."""
        files: dict[str, list[int]] = {}
        for labeled in self.frames:
            files.setdefault(labeled.frame.file, []).append(labeled.frame.index)
        return files

    def structure_hashes(self, length_in_angstrom: float) -> NDArray[np.uint64]:
        """[n], in the length unit of the files."""
        hashes = [
            structure_hash(
                atoms.numbers,
                atoms.positions / length_in_angstrom,
                atoms.cell.array / length_in_angstrom,
                np.asarray(atoms.pbc),
            )
            for atoms in (labeled.frame.atoms for labeled in self.frames)
        ]
        return np.array(hashes, dtype=np.uint64)

    def digest(self) -> str:
        """See `Split`.

        Raises:
            ValueError: the split was made without digests of its frames.
        """
        if self.digests is None or self.config is None:
            raise ValueError("the split was made without digests of its frames")
        return data_digest(self.digests, self.config)

    def graphs(self, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> GraphsInMemory:
        """Graphs that are built now."""
        return graphs_from_frames(self.frames, elements, cutoff, groups)

    def sample(self, seed: int) -> list[LabeledFrame]:
        """All frames."""
        return self.frames


def as_split(frames: Sequence[LabeledFrame]) -> Split:
    """A split as it is, or one of frames in memory."""
    return frames if isinstance(frames, Split) else SplitInMemory(frames)
