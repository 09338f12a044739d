"""Size limits of batches: a number of frames, or of atoms or edges in total."""

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
"""Ratio of limits; evaluation keeps no graph for gradients of the weights, so its batches may be larger."""

Quantity = Literal["frames", "atoms", "edges"]


@runtime_checkable
class CountedAtoms(Protocol):
    """Graphs that are read on access and whose numbers of atoms are known in advance."""

    @property
    def num_atoms(self) -> NDArray[np.int64]:
        """[number of graphs]."""
        ...


@dataclass(frozen=True)
class BatchLimit:
    """Maximum size of a batch, in frames, atoms or edges."""

    quantity: Quantity
    most: int

    def __str__(self) -> str:
        return f"{self.most} {self.quantity}"

    def sizes(self, graphs: Sequence[AtomicGraph]) -> NDArray[np.int64]:
        """Return the size of each graph in the unit of the limit, [graphs].

        Raises:
            DataError: the limit is in edges, and the graphs are built on access, so that their edges are not counted.
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
        """Check that every graph fits into a batch.

        Args:
            graphs: to be put into batches.
            name: returns file and frame of a graph, by its position in the sequence.

        Raises:
            DataError: a graph is larger than the limit.
        """
        sizes = self.sizes(graphs)
        too_large = np.flatnonzero(sizes > self.most)
        if len(too_large):
            largest = int(too_large[np.argmax(sizes[too_large])])
            others = (
                f"; {len(too_large)} frames are too large, of which this is the largest" if len(too_large) > 1 else ""
            )
            raise DataError(
                f"{name(largest)}: {sizes[largest]} {self.quantity} exceed the batch limit of {self}{others}; "
                f"raise {LIMIT_KEYS[self.quantity]}, or remove such frames"
            )


LIMIT_KEYS: dict[Quantity, str] = {
    "frames": "data.batch_size",
    "atoms": "data.max_atoms_per_batch",
    "edges": "data.max_edges_per_batch",
}


def training_limit(config: DataConfig) -> BatchLimit:
    """Return the limit of training batches, for each process."""
    if config.max_atoms_per_batch is not None:
        return BatchLimit("atoms", config.max_atoms_per_batch)
    if config.max_edges_per_batch is not None:
        return BatchLimit("edges", config.max_edges_per_batch)
    if config.batch_size is None:
        raise DataError("data: expected one of batch_size, max_atoms_per_batch and max_edges_per_batch")
    return BatchLimit("frames", config.batch_size)


def evaluation_limit(config: DataConfig) -> BatchLimit:
    """Return the limit of validation and test batches."""
    if config.evaluation_batch_size is not None:
        return BatchLimit("frames", config.evaluation_batch_size)
    limit = training_limit(config)
    return BatchLimit(limit.quantity, EVALUATION_BATCH_FACTOR * limit.most)


def consecutive(sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Divide frames, in the given order, into batches that are as long as possible.

    A frame larger than `most` forms a batch of its own.

    Args:
        sizes: [number of frames].
        most: maximum size of a batch.

    Returns:
        [number of batches + 1], the start of each batch, and the number of frames.
    """
    totals = np.cumsum(sizes)
    starts = [0]
    while starts[-1] < len(sizes):
        before = totals[starts[-1] - 1] if starts[-1] else 0
        end = int(np.searchsorted(totals, before + most, side="right"))
        starts.append(max(end, starts[-1] + 1))
    return np.array(starts, dtype=np.int64)


def batches(graphs: Sequence[AtomicGraph], limit: BatchLimit) -> Iterator[GraphBatch]:
    """Yield the graphs in batches within a limit, in order."""
    starts = consecutive(limit.sizes(graphs), limit.most).tolist()
    for start, end in itertools.pairwise(starts):
        yield collate([graphs[index] for index in range(start, end)])
