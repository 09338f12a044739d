"""Splits whose frames belong to several heads (levels of theory): the splits of all heads in one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.data.graph import Graphs, HeadMarks, joined_graphs
from potentials.data.label import DEFAULT_GROUP, LabeledFrame
from potentials.data.read import Located
from potentials.data.split.split import Split


@dataclass(frozen=True, eq=False)
class HeadFrames:
    """The frames of one head in a split."""

    head: int
    """Number of the head."""
    name: str
    weight: float
    """Factor of the weights of all labels."""
    frames: Split

    def group(self, name: str) -> str:
        """Name of a group of this head in the error tables of all heads."""
        return self.name if name == DEFAULT_GROUP else f"{self.name}: {name}"


def groups_of_heads(heads: Iterable[str], groups: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the groups of each head.

    Args:
        heads: names of the heads.
        groups: names of groups, as `HeadFrames.group` makes them.
    """
    return {
        head: [number for number, name in enumerate(groups) if name == head or name.startswith(f"{head}: ")]
        for head in heads
    }


class SplitOfHeads(Split):
    """Frames of several heads, in any order. Groups are named after the heads, so that error tables have their rows.

    Args:
        parts: the frames of each head.
        part: [n], the number of each frame's part.
        number: [n], the number of each frame in its part.
    """

    def __init__(self, parts: Sequence[HeadFrames], part: NDArray[np.int64], number: NDArray[np.int64]) -> None:
        self.parts = list(parts)
        self.part = part
        self.number = number

    @classmethod
    def joined(cls, parts: Sequence[HeadFrames]) -> SplitOfHeads:
        """All frames of the heads, one head after the other."""
        counts = [len(part.frames) for part in parts]
        numbers = [np.arange(count) for count in counts]
        return cls(parts, np.repeat(np.arange(len(parts)), counts), np.concatenate(numbers))

    def __len__(self) -> int:
        return len(self.number)

    @overload
    def __getitem__(self, index: int) -> LabeledFrame: ...

    @overload
    def __getitem__(self, index: slice) -> SplitOfHeads: ...

    def __getitem__(self, index: int | slice) -> LabeledFrame | SplitOfHeads:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        part = self.parts[self.part[index]]
        return _renamed(part, part.frames[int(self.number[index])])

    def __iter__(self) -> Iterator[LabeledFrame]:
        return (self[index] for index in range(len(self)))

    def take(self, chosen: ArrayLike) -> SplitOfHeads:
        """The frames with the numbers `chosen`."""
        numbers = np.asarray(chosen, dtype=np.int64)
        return SplitOfHeads(self.parts, self.part[numbers], self.number[numbers])

    @property
    def heads(self) -> NDArray[np.int64]:
        """[n], number of the head of each frame."""
        return np.array([part.head for part in self.parts], dtype=np.int64)[self.part]

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[n], atoms of each frame."""
        return self._of_frames(lambda frames: frames.num_atoms)

    def elements(self) -> set[str]:
        """Symbols that occur in any of the frames."""
        return set().union(*(part.frames.elements() for part in self._taken()))

    def has_element(self, symbol: str) -> NDArray[np.bool_]:
        """[n], whether an element occurs in a frame."""
        return self._of_frames(lambda frames: frames.has_element(symbol))

    def group_names(self) -> set[str]:
        """The groups of the frames, with the names of the heads."""
        return {part.group(name) for part in self._taken() for name in part.frames.group_names()}

    def location(self, index: int) -> Located:
        """File and number of a frame."""
        return self.parts[self.part[index]].frames.location(int(self.number[index]))

    def numbers_by_file(self) -> dict[str, list[int]]:
        """The numbers of the frames in their files, by the name of the file."""
        files: dict[str, list[int]] = {}
        for part in self._taken():
            for name, numbers in part.frames.numbers_by_file().items():
                files.setdefault(name, []).extend(numbers)
        return files

    def structure_hashes(self, length_in_angstrom: float) -> NDArray[np.uint64]:
        """[n], `structure_hash` of each frame in the length unit of its file."""
        return self._of_frames(lambda frames: frames.structure_hashes(length_in_angstrom))

    def digest(self) -> str:
        """sha256 over the names, weights and data of all heads, and the order of their frames."""
        digest = hashlib.sha256(np.ascontiguousarray(self.part).tobytes())
        for part in self._taken():
            digest.update(f"{part.name}\0{part.weight!r}\0{part.frames.digest()}\0".encode())
        return digest.hexdigest()

    def graphs(self, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> Graphs:
        """The graphs of the frames, one head after the other if no other order was chosen."""
        order = np.argsort(self.part, kind="stable")
        if not np.array_equal(order, np.arange(len(self))):
            raise ValueError("the graphs of several heads are built head by head")
        built, start = [], 0
        for part in self._taken():
            names = sorted(part.frames.group_names())
            numbers = tuple(groups.index(part.group(name)) for name in names)
            marks = HeadMarks(part.head, part.weight, start, numbers)
            built.append(part.frames.graphs(elements, cutoff, names).with_marks(marks))
            start += len(part.frames)
        return joined_graphs(built)

    def sample(self, seed: int) -> list[LabeledFrame]:
        """Frames of all heads in memory."""
        return [_renamed(part, frame) for part in self._taken() for frame in part.frames.sample(seed)]

    def _taken(self) -> list[HeadFrames]:
        """The frames of each head that are in this split, without heads that have none."""
        chosen = [(part, self.number[self.part == index]) for index, part in enumerate(self.parts)]
        return [replace(part, frames=part.frames.take(numbers)) for part, numbers in chosen if len(numbers)]

    def _of_frames(self, facts: Callable[[Split], NDArray[Any]]) -> NDArray[Any]:
        """Facts about each frame, from those about the frames of each head."""
        of_parts = [facts(part.frames) for part in self.parts]
        starts = np.cumsum([0, *(len(values) for values in of_parts)])[:-1]
        return np.concatenate(of_parts)[starts[self.part] + self.number]


def _renamed(part: HeadFrames, frame: LabeledFrame) -> LabeledFrame:
    return replace(frame, group=part.group(frame.group), weight=frame.weight * part.weight)
