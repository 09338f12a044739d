"""What frames take of a batch's limit, and lazily read data, which cannot say it of their edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms

from potentials.data.batch import BatchLimit, batches
from potentials.data.graph import AtomicGraph, build_graph
from potentials.errors import DataError


def graphs() -> list[AtomicGraph]:
    """Chains of 1 to 6 atoms: n - 1 bonds."""
    chains = [Atoms("H" * size, positions=[[0.9 * place, 0, 0] for place in range(size)]) for size in range(1, 7)]
    return [build_graph(chain, ["H"], 1.0) for chain in chains]


class ReadLater(Sequence[AtomicGraph]):
    num_atoms = np.array([1, 2, 3, 4, 5, 6])

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index):
        raise AssertionError("read for its size")


def test_sizes() -> None:
    assert BatchLimit("frames", 2).sizes(graphs()).tolist() == [1] * 6
    assert BatchLimit("atoms", 9).sizes(graphs()).tolist() == [1, 2, 3, 4, 5, 6]
    assert BatchLimit("edges", 9).sizes(graphs()).tolist() == [0, 2, 4, 6, 8, 10]


def test_sizes_of_data_read_later() -> None:
    assert BatchLimit("frames", 2).sizes(ReadLater()).tolist() == [1] * 6
    assert BatchLimit("atoms", 9).sizes(ReadLater()).tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(DataError, match=r"use data\.max_atoms_per_batch"):
        BatchLimit("edges", 9).sizes(ReadLater())


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (BatchLimit("frames", 4), [[1, 2, 3, 4], [5, 6]]),
        (BatchLimit("atoms", 6), [[1, 2, 3], [4], [5], [6]]),
        (BatchLimit("edges", 10), [[1, 2, 3], [4], [5], [6]]),
        (BatchLimit("edges", 20), [[1, 2, 3, 4, 5], [6]]),
    ],
)
def test_batches_in_order(limit: BatchLimit, expected: list[list[int]]) -> None:
    assert [(batch.ptr[1:] - batch.ptr[:-1]).tolist() for batch in batches(graphs(), limit)] == expected


def test_the_largest_of_those_too_large_is_named() -> None:
    BatchLimit("edges", 10).check(graphs(), str)
    with pytest.raises(DataError, match=r"^five: 10 edges .* 9 edges; raise data\.max_edges_per_batch"):
        BatchLimit("edges", 9).check(graphs(), {5: "five"}.__getitem__)
    with pytest.raises(DataError, match=r"^five: 6 atoms .* 3 frames are too large, of which this is the largest"):
        BatchLimit("atoms", 3).check(graphs(), {5: "five"}.__getitem__)
