"""A split: the training, validation or a test set, with what is known of all its frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.data.graph import Graphs
from potentials.data.label import LabeledFrame
from potentials.data.read import Located


@dataclass(frozen=True)
class FrameLocation:
    """The file of a frame and its number there."""

    file: str
    index: int

    def __str__(self) -> str:
        return f"{self.file}, frame {self.index}"


class Split(Sequence[LabeledFrame], ABC):
    """Labeled frames that lie in memory or in their files; nothing that works with a split asks where.

    Facts about all frames are given without reading any that stays in its file.
    """

    @abstractmethod
    def take(self, chosen: ArrayLike) -> Split:
        """The frames with the numbers `chosen`."""

    def where(self, mask: NDArray[np.bool_]) -> Split:
        """The frames for which `mask` [n] is true."""
        return self.take(np.flatnonzero(mask))

    @property
    def heads(self) -> NDArray[np.int64]:
        """[n], number of the head of each frame; 0 without heads."""
        return np.zeros(len(self), dtype=np.int64)

    @property
    @abstractmethod
    def num_atoms(self) -> NDArray[np.int64]:
        """[n], atoms of each frame."""

    @abstractmethod
    def elements(self) -> set[str]:
        """Symbols that occur in any of the frames."""

    @abstractmethod
    def has_element(self, symbol: str) -> NDArray[np.bool_]:
        """[n], whether an element occurs in a frame."""

    @abstractmethod
    def group_names(self) -> set[str]:
        """The groups of the frames."""

    @abstractmethod
    def location(self, index: int) -> Located:
        """File and number of a frame."""

    def locations(self, limit: int = 10) -> list[Located]:
        """Files and numbers of the first frames."""
        return [self.location(index) for index in range(min(limit, len(self)))]

    @abstractmethod
    def numbers_by_file(self) -> dict[str, list[int]]:
        """The numbers of the frames in their files, by the name of the file."""

    @abstractmethod
    def structure_hashes(self, length_in_angstrom: float) -> NDArray[np.uint64]:
        """[n], `structure_hash` of each frame in the length unit of its file.

        Args:
            length_in_angstrom: that unit, A.
        """

    @abstractmethod
    def digest(self) -> str:
        """sha256 over structures, labels, weights and groups of all frames, in their order.

        It is the same for frames in memory and in files.
        """

    @abstractmethod
    def graphs(self, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> Graphs:
        """The graphs of the frames.

        Args:
            elements: the symbols the model knows, ordered by atomic number.
            cutoff: A.
            groups: the names that `graph.group` numbers.
        """

    @abstractmethod
    def sample(self, seed: int) -> list[LabeledFrame]:
        """Frames in memory: all that are there already, or a sample of those that stay in their files."""
