"""Graphs that are built when they are asked for, in a loader's worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.data.graph import AtomicGraph, Graphs, HeadMarks, build_labeled_graph
from potentials.data.split.sampling import sampled_numbers

if TYPE_CHECKING:
    from potentials.data.split.in_files import SplitInFiles


class GraphsInFiles(Graphs):
    """The graphs of frames that stay in their files; the same as `graphs_from_frames` makes.

    Args:
        frames: to read.
        elements: the symbols the model knows, ordered by atomic number.
        cutoff: A.
        groups: the names that `graph.group` numbers.
        marks: of the head, if the frames are those of one of several.
    """

    def __init__(
        self,
        frames: SplitInFiles,
        elements: Sequence[str],
        cutoff: float,
        groups: Sequence[str],
        marks: HeadMarks | None = None,
    ) -> None:
        self.frames = frames
        self.elements = list(elements)
        self.cutoff = cutoff
        self.groups = list(groups)
        self.marks = marks
        self._group_number = {name: number for number, name in enumerate(groups)}

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> AtomicGraph: ...

    @overload
    def __getitem__(self, index: slice) -> GraphsInFiles: ...

    def __getitem__(self, index: int | slice) -> AtomicGraph | GraphsInFiles:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        labeled = self.frames[index]
        group = self._group_number[labeled.group]
        graph = build_labeled_graph(labeled, self.elements, self.cutoff, group, int(index))
        return graph if self.marks is None else self.marks.marked(graph)

    def __iter__(self) -> Iterator[AtomicGraph]:
        return (self[index] for index in range(len(self)))

    def take(self, chosen: ArrayLike) -> GraphsInFiles:
        """The graphs with the numbers `chosen`; `frame_index` counts these."""
        return GraphsInFiles(self.frames.take(chosen), self.elements, self.cutoff, self.groups, self.marks)

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[number of graphs], without building any."""
        return self.frames.num_atoms

    def has_forces(self) -> bool:
        """Whether any graph has forces."""
        return self.frames.has_forces()

    def has_stress(self) -> bool:
        """Whether any graph has a stress."""
        return self.frames.has_stress()

    def sample(self, seed: int) -> GraphsInFiles:
        """A sample of the graphs."""
        return self.take(sampled_numbers(len(self), seed))

    def with_marks(self, marks: HeadMarks) -> GraphsInFiles:
        """The graphs as those of one of several heads."""
        return GraphsInFiles(self.frames, self.elements, self.cutoff, self.groups, marks)

    def with_most_atoms(self, count: int) -> list[AtomicGraph]:
        """The `count` largest graphs, built now."""
        return [self[int(index)] for index in np.argsort(self.num_atoms, kind="stable")[-count:]]
