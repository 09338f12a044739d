"""Many graphs, with what is known of all of them, whether they are built already or when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import overload

import torch

from potentials.data.graph.atomic_graph import AtomicGraph, build_labeled_graph, group_names
from potentials.data.label import LabeledFrame


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

    def with_most_atoms(self, count: int) -> GraphsInMemory:
        """All graphs."""
        return self


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
