"""Graphs that are built when they are asked for, in a loader's worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.data.graph import AtomicGraph, build_labelled_graph
from potentials.data.split.lazy_frames import LazyFrames


class LazyGraphs(Sequence[AtomicGraph]):
    """The graphs of frames that stay in their files; the same as `graphs_from_frames` makes.

    Args:
        frames: to read.
        elements: the symbols the model knows, ordered by atomic number.
        cutoff: A.
        groups: the names that `graph.group` numbers.
    """

    def __init__(self, frames: LazyFrames, elements: Sequence[str], cutoff: float, groups: Sequence[str]) -> None:
        self.frames = frames
        self.elements = list(elements)
        self.cutoff = cutoff
        self.groups = list(groups)
        self._group_number = {name: number for number, name in enumerate(groups)}

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> AtomicGraph: ...

    @overload
    def __getitem__(self, index: slice) -> LazyGraphs: ...

    def __getitem__(self, index: int | slice) -> AtomicGraph | LazyGraphs:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        labelled = self.frames[index]
        return build_labelled_graph(
            labelled, self.elements, self.cutoff, self._group_number[labelled.group], int(index)
        )

    def __iter__(self) -> Iterator[AtomicGraph]:
        return (self[index] for index in range(len(self)))

    def take(self, chosen: ArrayLike) -> LazyGraphs:
        """The graphs at the places `chosen`; `frame_index` counts these."""
        return LazyGraphs(self.frames.take(chosen), self.elements, self.cutoff, self.groups)

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[number of graphs], without building any."""
        return self.frames.num_atoms
