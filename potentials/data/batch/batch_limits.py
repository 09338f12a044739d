"""How much goes into a batch: so many frames, or frames of so many atoms or edges together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from potentials.config.data import DataConfig
from potentials.data.graph import AtomicGraph, GraphBatch, collate
from potentials.errors import DataError

EVALUATION_BATCH_FACTOR = 4
"""Evaluation keeps no graph for the derivative with respect to the weights, so its batches may be larger."""

Quantity = Literal["frames", "atoms", "edges"]


@runtime_checkable
class CountedAtoms(Protocol):
    """Graphs that are read when they are needed, whose numbers of atoms are known without reading them."""

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[number of graphs]."""
        ...


@dataclass(frozen=True)
class BatchLimit:
    """The most that a batch may hold."""

    quantity: Quantity
    most: int

    def __str__(self) -> str:
        return f"{self.most} {self.quantity}"

    def sizes(self, graphs: Sequence[AtomicGraph]) -> NDArray[np.int64]:
        """What each graph takes of the limit.

        Raises:
            DataError: edges of graphs that are built when they are needed, which nobody has counted.
        """
        if self.quantity == "frames":
            return np.ones(len(graphs), dtype=np.int64)
        if isinstance(graphs, CountedAtoms):
            if self.quantity == "atoms":
                return graphs.num_atoms
            raise DataError(
                "data.max_edges_per_batch needs the number of edges of every frame, but these data are read lazily; "
                "use data.max_atoms_per_batch"
            )
        counts = [graph.num_nodes if self.quantity == "atoms" else graph.edge_index.shape[1] for graph in graphs]
        return np.array(counts, dtype=np.int64)

    def check(self, graphs: Sequence[AtomicGraph], name: Callable[[int], str]) -> None:
        """Make sure that every graph fits into a batch.

        Args:
            graphs: to be put into batches.
            name: file and frame of a graph, by its place in the sequence.

        Raises:
            DataError: one does not.
        """
        sizes = self.sizes(graphs)
        too_large = np.flatnonzero(sizes > self.most)
        if len(too_large):
            largest = int(too_large[np.argmax(sizes[too_large])])
            others = f"; {len(too_large)} frames are too large, and this is the largest" if len(too_large) > 1 else ""
            raise DataError(
                f"{name(largest)}: {sizes[largest]} {self.quantity} are more than a batch may hold, {self}{others}; "
                f"raise {LIMIT_KEYS[self.quantity]}, or leave such frames out"
            )


LIMIT_KEYS: dict[Quantity, str] = {
    "frames": "data.batch_size",
    "atoms": "data.max_atoms_per_batch",
    "edges": "data.max_edges_per_batch",
}


def training_limit(config: DataConfig) -> BatchLimit:
    """The limit of training batches, in each process."""
    if config.max_atoms_per_batch is not None:
        return BatchLimit("atoms", config.max_atoms_per_batch)
    if config.max_edges_per_batch is not None:
        return BatchLimit("edges", config.max_edges_per_batch)
    if config.batch_size is None:
        raise DataError("data: expected one of batch_size, max_atoms_per_batch and max_edges_per_batch")
    return BatchLimit("frames", config.batch_size)


def evaluation_limit(config: DataConfig) -> BatchLimit:
    """The limit of batches in validation and test."""
    if config.evaluation_batch_size is not None:
        return BatchLimit("frames", config.evaluation_batch_size)
    limit = training_limit(config)
    return BatchLimit(limit.quantity, EVALUATION_BATCH_FACTOR * limit.most)


def consecutive(sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Where batches of frames in the given order begin, each as long as may be, and the number of frames at the end.

    A frame larger than `most` is a batch of its own.
    """
    totals = np.cumsum(sizes)
    starts = [0]
    while starts[-1] < len(sizes):
        before = totals[starts[-1] - 1] if starts[-1] else 0
        end = int(np.searchsorted(totals, before + most, side="right"))
        starts.append(max(end, starts[-1] + 1))
    return np.array(starts, dtype=np.int64)


def batches(graphs: Sequence[AtomicGraph], limit: BatchLimit) -> Iterator[GraphBatch]:
    """The graphs in batches within a limit, in order."""
    starts = consecutive(limit.sizes(graphs), limit.most).tolist()
    for start, end in itertools.pairwise(starts):
        yield collate([graphs[index] for index in range(start, end)])
