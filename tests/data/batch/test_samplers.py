"""Batches of training and evaluation: dealt out to processes, begun later, the same again."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from torch.utils.data import BatchSampler

from potentials.data.batch import (
    BatchLimit,
    CountedBatches,
    EvaluationBatches,
    PackedBatches,
    TrainingBatches,
    consecutive,
    training_batches,
)
from potentials.data.graph import AtomicGraph, build_graph
from potentials.errors import DataError

SIZES = np.random.default_rng(3).integers(1, 60, 45)
SMALL = [1, 2, 3, 4, 5, 6, 7]
Build = Callable[[int, int], TrainingBatches]


def counted(processes: int = 1, rank: int = 0) -> TrainingBatches:
    return CountedBatches(45, 2 * 4 // processes, 3, processes, rank)


def packed(processes: int = 1, rank: int = 0) -> TrainingBatches:
    return PackedBatches(SIZES, 100, 3, processes, rank)


def batches(sampler: TrainingBatches, epoch: int = 5) -> list[list[int]]:
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert all(type(index) is int for batch in drawn for index in batch)
    return drawn


@pytest.mark.parametrize("size", [1, 4, 45, 100])
def test_counted_batches_cut_a_permutation(size: int) -> None:
    """The order that runs of earlier versions were trained in."""
    for epoch in range(3):
        order = np.random.Generator(np.random.PCG64([3, epoch])).permutation(45).tolist()
        sampler = CountedBatches(45, size, 3)
        assert batches(sampler, epoch) == list(BatchSampler(order, size, drop_last=False))
        assert len(sampler) == len(batches(sampler, epoch))


@pytest.mark.parametrize("limit", [BatchLimit("frames", 4), BatchLimit("atoms", 9)])
@pytest.mark.parametrize("processes", [1, 2])
def test_frames_are_repeated_within_an_epoch(limit: BatchLimit, processes: int) -> None:
    """Each as often as asked, in batches within the limit, in another order in each epoch; once by default."""
    chains = [Atoms(f"H{size}", positions=np.arange(3 * size).reshape(-1, 3)) for size in SMALL]
    graphs = [build_graph(chain, ["H"], 5.0) for chain in chains]
    repeats = np.array([1, 3, 1, 2, 1, 5, 1])
    uses = np.zeros(len(graphs), dtype=np.int64)
    orders = set()
    samplers = [training_batches(graphs, limit, 3, processes, rank, repeats) for rank in range(processes)]
    assert len({len(sampler) for sampler in samplers}) == 1
    for sampler in samplers:
        drawn = batches(sampler)
        assert len(drawn) == len(sampler)
        assert max(sum(limit.sizes(graphs)[batch]) for batch in drawn) <= limit.most
        uses += np.bincount(np.concatenate(drawn), minlength=len(graphs))
        orders |= {str(batches(sampler, epoch)) for epoch in range(3)}
    if processes == 1:
        assert uses.tolist() == repeats.tolist()
    assert (uses >= repeats).all()
    assert len(orders) == 3 * processes
    once = training_batches(graphs, limit, 3, processes, 0, np.ones(7, dtype=np.int64))
    assert batches(once) == batches(training_batches(graphs, limit, 3, processes, 0))


@pytest.mark.parametrize("processes", [2, 4])
def test_a_step_of_counted_batches_is_shared_between_processes(processes: int) -> None:
    """Step k of W processes with batches of B holds the frames of step k of one process with batches of W B."""
    shares, whole = [batches(counted(processes, rank)) for rank in range(processes)], batches(counted())
    for step, frames in enumerate(whole[:-1]):
        assert sorted(itertools.chain(*(share[step] for share in shares))) == sorted(frames)
    assert {len(share) for share in shares} == {len(whole)}  # or processes would wait for each other for ever
    assert {len(share[-1]) for share in shares} == {len(shares[0][-1])}


@pytest.mark.parametrize("processes", [2, 3, 4, 7])
def test_a_step_of_packed_batches_is_shared_between_processes(processes: int) -> None:
    """Step k of W processes is made of batches k W, k W + 1, ... of one process."""
    shares, whole = [batches(packed(processes, rank)) for rank in range(processes)], batches(packed())
    dealt = list(itertools.chain(*zip(*shares, strict=True)))
    assert dealt[: len(whole)] == whole
    repeated = len(dealt) - len(whole)
    assert 0 <= repeated < processes
    assert dealt[len(whole) :] == whole[:repeated]
    assert {len(packed(processes, rank)) for rank in range(processes)} == {len(shares[0])}


@pytest.mark.parametrize("build", [counted, packed])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_every_frame_in_every_epoch_in_as_many_batches(build: Build, processes: int) -> None:
    samplers = [build(processes, rank) for rank in range(processes)]
    for epoch in range(4):
        shares = [batches(sampler, epoch) for sampler in samplers]
        assert {len(share) for share in shares} == {len(samplers[0])}
        assert set(itertools.chain(*itertools.chain(*shares))) == set(range(45))
        if processes == 1:
            assert sorted(itertools.chain(*shares[0])) == list(range(45))


def test_more_processes_than_batches() -> None:
    of_packed = [PackedBatches(np.array([3, 4]), 9, 1, 4, rank) for rank in range(4)]
    of_counted = [CountedBatches(2, 3, 1, 4, rank) for rank in range(4)]
    for samplers in (of_packed, of_counted):
        shares = [batches(sampler) for sampler in samplers]
        assert [len(share) for share in shares] == [1] * 4
        assert set(itertools.chain(*itertools.chain(*shares))) == {0, 1}


@pytest.mark.parametrize("build", [counted, packed])
@pytest.mark.parametrize("skipped", [0, 1, 3])
def test_an_epoch_begun_later(build: Build, skipped: int) -> None:
    whole = batches(build(2, 1), 5)
    sampler = build(2, 1)
    sampler.set_epoch(5)
    sampler.skip(skipped)
    # Lightning sets the epoch again and may ask for an iterator twice.
    assert batches(sampler, 5) == batches(sampler, 5) == whole[skipped:]
    assert len(sampler) == len(whole)
    assert batches(sampler, 6) == batches(build(2, 1), 6)
    assert batches(sampler, 5) == whole
    sampler.skip(len(sampler))
    assert list(sampler) == []
    with pytest.raises(ValueError, match="batches to skip"):
        sampler.skip(len(sampler) + 1)


def graphs_of(sizes: list[int]) -> list[AtomicGraph]:
    rows = [Atoms("H" * size, positions=np.arange(3.0 * size).reshape(-1, 3)) for size in sizes]
    return [build_graph(atoms, ["H"], 1.0) for atoms in rows]


def test_evaluation_is_shared_without_repetition() -> None:
    graphs = graphs_of([1, 2, 3, 1, 2, 3, 4, 4, 1])
    for limit in (BatchLimit("frames", 2), BatchLimit("atoms", 4)):
        shares = [EvaluationBatches(graphs, limit, 4, rank) for rank in range(4)]
        frames = [list(itertools.chain(*share)) for share in shares]
        assert frames == [list(range(rank, 9, 4)) for rank in range(4)]
        assert [len(share) for share in shares] == [len(list(share)) for share in shares]
    assert list(EvaluationBatches(graphs, BatchLimit("atoms", 4))) == [[0, 1], [2, 3], [4], [5], [6], [7], [8]]
    with pytest.raises(DataError, match="9 validation frames cannot be distributed over 10 processes"):
        EvaluationBatches(graphs, limit, 10, 0)


def test_consecutive_batches_are_as_long_as_may_be() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        sizes = random.integers(0, 20, 30)
        starts = consecutive(sizes, 40)
        assert starts[0] == 0
        assert starts[-1] == 30
        for start, end in itertools.pairwise(starts):
            assert sizes[start:end].sum() <= 40
            assert end == 30 or sizes[start : end + 1].sum() > 40
    assert consecutive(np.array([50, 1, 1, 50]), 40).tolist() == [0, 1, 3, 4]
