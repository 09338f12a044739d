"""Many graphs, with what is known of all of them, whether they are built already or when they are asked for."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray

from potentials.data.graph.atomic_graph import AtomicGraph, build_labeled_graph, group_names
from potentials.data.label import LabeledFrame


@dataclass(frozen=True)
class HeadMarks:
    """What the graphs of one head become among those of several."""

    head: int
    """Number of the head."""
    weight: float
    """Factor of the weights of all labels."""
    first: int
    """Number of the first frame of this head among all frames."""
    groups: tuple[int, ...]
    """For each group of this head, its number among those of all heads."""

    def marked(self, graph: AtomicGraph) -> AtomicGraph:
        """Return a graph with head, weights, group and frame number as among those of all heads."""
        graph = copy.copy(graph)
        graph.head = torch.tensor([self.head])
        graph.group = torch.tensor([self.groups[int(graph.group)]])
        graph.frame_index = graph.frame_index + self.first
        for name in ("energy_weight", "forces_weight", "stress_weight"):
            graph[name] = graph[name] * self.weight
        return graph


class Graphs(Sequence[AtomicGraph], ABC):
    """The graphs of a split; nothing that works with them asks when they are built."""

    @abstractmethod
    def has_forces(self) -> bool:
        """Whether any graph has forces."""

    @abstractmethod
    def has_stress(self) -> bool:
        """Whether any graph has a stress."""

    @abstractmethod
    def sample(self, seed: int) -> Graphs:
        """The graphs of `Split.sample`: all that are built, or a sample of those that are not."""

    @abstractmethod
    def with_marks(self, marks: HeadMarks) -> Graphs:
        """The graphs as those of one of several heads."""

    @abstractmethod
    def with_most_atoms(self, count: int) -> Sequence[AtomicGraph]:
        """Graphs in memory: all that are built, or the `count` largest of those that are not."""


class GraphsInMemory(Graphs):
    """Graphs that are built."""

    def __init__(self, graphs: Sequence[AtomicGraph]) -> None:
        self.graphs = list(graphs)

    def __len__(self) -> int:
        return len(self.graphs)

    @overload
    def __getitem__(self, index: int) -> AtomicGraph: ...

    @overload
    def __getitem__(self, index: slice) -> GraphsInMemory: ...

    def __getitem__(self, index: int | slice) -> AtomicGraph | GraphsInMemory:
        if isinstance(index, slice):
            return GraphsInMemory(self.graphs[index])
        return self.graphs[index]

    def has_forces(self) -> bool:
        """Whether any graph has forces."""
        return any(bool(torch.isfinite(graph.forces).any()) for graph in self.graphs)

    def has_stress(self) -> bool:
        """Whether any graph has a stress."""
        return any(bool(torch.isfinite(graph.stress).any()) for graph in self.graphs)

    def sample(self, seed: int) -> GraphsInMemory:
        """All graphs."""
        return self

    def with_marks(self, marks: HeadMarks) -> GraphsInMemory:
        """The graphs as those of one of several heads."""
        return GraphsInMemory([marks.marked(graph) for graph in self.graphs])

    def with_most_atoms(self, count: int) -> GraphsInMemory:
        """All graphs."""
        return self


class JoinedGraphs(Graphs):
    """Graphs of several heads, one head after the other, of which some are built when they are asked for."""

    def __init__(self, parts: Sequence[Graphs]) -> None:
        self.parts = list(parts)
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @overload
    def __getitem__(self, index: int) -> AtomicGraph: ...

    @overload
    def __getitem__(self, index: slice) -> GraphsInMemory: ...

    def __getitem__(self, index: int | slice) -> AtomicGraph | GraphsInMemory:
        if isinstance(index, slice):
            return GraphsInMemory([self[number] for number in range(len(self))[index]])
        if not -len(self) <= index < len(self):
            raise IndexError(f"graph {index} of {len(self)}")
        index = index % len(self)
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self.parts[part][index - int(self._ends[part]) + len(self.parts[part])]

    def __iter__(self) -> Iterator[AtomicGraph]:
        return (graph for part in self.parts for graph in part)

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[number of graphs]."""
        counts = [getattr(part, "num_atoms", None) for part in self.parts]
        return np.concatenate(
            [
                np.array([graph.num_nodes for graph in part]) if count is None else count
                for part, count in zip(self.parts, counts, strict=True)
            ]
        )

    def has_forces(self) -> bool:
        """Whether any graph has forces."""
        return any(part.has_forces() for part in self.parts)

    def has_stress(self) -> bool:
        """Whether any graph has a stress."""
        return any(part.has_stress() for part in self.parts)

    def sample(self, seed: int) -> Graphs:
        """The samples of all heads."""
        return joined_graphs([part.sample(seed) for part in self.parts])

    def with_marks(self, marks: HeadMarks) -> JoinedGraphs:
        """The graphs as those of one of several heads."""
        return JoinedGraphs([part.with_marks(marks) for part in self.parts])

    def with_most_atoms(self, count: int) -> list[AtomicGraph]:
        """The `count` largest graphs of each head."""
        return [graph for part in self.parts for graph in part.with_most_atoms(count)]


def joined_graphs(parts: Sequence[Graphs]) -> Graphs:
    """Return the graphs of several heads, one head after the other; in memory if all are."""
    built = [part for part in parts if isinstance(part, GraphsInMemory)]
    if len(built) < len(parts):
        return JoinedGraphs(parts)
    return GraphsInMemory([graph for part in built for graph in part.graphs])


def graphs_from_frames(
    frames: Sequence[LabeledFrame], elements: Sequence[str], cutoff: float, groups: Sequence[str] | None = None
) -> GraphsInMemory:
    """Build graphs of labeled frames; `frame_index` counts from 0, `group` is an index into `groups`.

    Without `groups` these are the group names of the frames in alphabetical order (`group_names(frames)`).
    """
    number = {name: index for index, name in enumerate(group_names(frames) if groups is None else groups)}
    return GraphsInMemory(
        [
            build_labeled_graph(labeled, elements, cutoff, number[labeled.group], index)
            for index, labeled in enumerate(frames)
        ]
    )
