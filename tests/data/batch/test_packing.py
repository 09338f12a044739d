"""Packing: budgets hold, nothing is lost, batches are full, companions change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potentials.data.batch.packing import Batches, Packing, best_fit, size_classes


def epoch(packing: Packing, number: int) -> Batches:
    return packing.draw(np.random.Generator(np.random.PCG64([7, number])))


def members(batches: Batches) -> list[list[int]]:
    return [batches.frames[a:b].tolist() for a, b in itertools.pairwise(batches.starts)]


def pairs(batches: Batches) -> set[tuple[int, int]]:
    return {pair for batch in members(batches) for pair in itertools.combinations(sorted(batch), 2)}


def mixed_sizes(name: str, count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    return {
        "molecules": lambda: random.integers(3, 30, count),
        "edges": lambda: random.integers(500, 9000, count),
        "lognormal": lambda: np.ceil(np.exp(random.normal(3.5, 0.8, count))).astype(np.int64),
        "one to huge": lambda: np.ceil(10 ** random.uniform(0, 5, count)).astype(np.int64),
    }[name]()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_frame_once_within_the_budget(data: st.DataObject) -> None:
    budget = data.draw(st.one_of(st.integers(1, 200), st.sampled_from([10**4, 2**18, 10**7])))
    sizes = np.array(data.draw(st.lists(st.integers(0, budget), min_size=1, max_size=60)))
    packing = Packing(sizes, budget, data.draw(st.integers(0, 5)))
    for number in range(3):
        batches = epoch(packing, number)
        assert len(batches) == len(packing)
        assert sorted(batches.frames.tolist()) == list(range(len(sizes)))
        for batch in members(batches):
            assert batch
            # A frame without edges counts as one edge, or a batch would hold any number of them.
            assert np.maximum(sizes[batch], 1).sum() <= budget


@pytest.mark.parametrize("name", ["molecules", "edges", "lognormal", "one to huge"])
@pytest.mark.parametrize("count", [60, 3000])
def test_batches_are_full(name: str, count: int) -> None:
    sizes = mixed_sizes(name, count)
    budget = max(int(sizes.max()), round(8 * sizes.mean()))
    packing = Packing(sizes, budget, 1)
    fewest = -(-int(sizes.sum()) // budget)
    assert fewest <= len(packing) <= max(fewest + 1, sizes.sum() / (0.9 * budget))


@pytest.mark.parametrize("name", ["molecules", "edges", "lognormal", "one to huge"])
@pytest.mark.parametrize("count", [40, 1000])
def test_frames_meet_others_in_each_epoch(name: str, count: int) -> None:
    """Two epochs share few more pairs than two arrangements drawn at random would."""
    sizes = mixed_sizes(name, count)
    packing = Packing(sizes, max(int(sizes.max()), round(8 * sizes.mean())), 1)
    met = [pairs(epoch(packing, number)) for number in range(6)]
    shared = np.mean([len(a & b) / len(a) for a, b in itertools.combinations(met, 2)])
    by_chance = len(met[0]) / (count * (count - 1) / 2)
    assert shared < 2 * by_chance + 0.05


@pytest.mark.slow
def test_equal_frames_meet_as_often_as_in_random_batches() -> None:
    """Of 12 frames in batches of 4, a frame meets each other one in 3 of 11 epochs."""
    packing = Packing(np.full(12, 5), 20, 1)
    epochs = 4000
    counts = np.zeros((12, 12))
    for number in range(epochs):
        for a, b in pairs(epoch(packing, number)):
            counts[a, b] += 1
    expected = epochs * 3 / 11
    deviations = (counts[np.triu_indices(12, 1)] - expected) / np.sqrt(expected * 8 / 11)
    assert np.abs(deviations).max() < 4.5
    assert 0.6 < np.square(deviations).mean() < 1.6


def test_the_order_of_batches_changes() -> None:
    """A frame too large for any companion comes first, in the middle and last equally often."""
    packing = Packing(np.array([10, 1, 1, 9, 9, 9]), 10, 1)
    places = [[0] in members(epoch(packing, n)) and members(epoch(packing, n)).index([0]) for n in range(400)]
    counts = np.bincount(places, minlength=len(packing))
    assert len(counts) == len(packing)
    assert counts.min() > 0.6 * 400 / len(packing)


def test_depends_on_seed_and_epoch_only() -> None:
    sizes = mixed_sizes("lognormal", 100)
    first, again, other = (Packing(sizes, 400, seed) for seed in (1, 1, 2))
    expected = [members(epoch(first, number)) for number in range(3)]
    assert [members(epoch(again, number)) for number in (2, 0, 1)] == [expected[2], expected[0], expected[1]]
    assert expected[0] != expected[1]
    assert sorted(map(sorted, members(epoch(other, 0)))) != sorted(map(sorted, expected[0]))


def test_size_classes() -> None:
    levels = size_classes(10_000)
    assert levels[:42].tolist() == list(range(1, 43))
    assert levels[-1] == 10_000
    assert np.all(np.diff(levels) > 0)
    assert np.all(levels[1:] <= np.maximum(levels[:-1] + 1, 1.025 * levels[:-1]))
    assert size_classes(1).tolist() == [1]


def best_fit_by_search(sizes: list[int], budget: int) -> list[int]:
    rooms: list[int] = []
    chosen = []
    for size in sizes:
        room = min((room for room in rooms if room >= size), default=None)
        if room is None:
            rooms.append(budget)
            chosen.append(budget - size)
            rooms[-1] -= size
        else:
            chosen.append(room - size)
            rooms[rooms.index(room)] -= size
    return chosen


@pytest.mark.parametrize("budget", [1, 7, 511, 512, 513, 5000, (1 << 18) - 1])
def test_best_fit_is_that_of_a_search(budget: int) -> None:
    """Room that is left where each frame went, compared with looking at all batches."""
    sizes = np.ceil(budget * np.random.default_rng(budget).random(500) ** 3).astype(np.int64)
    rooms: dict[int, int] = {}
    left = []
    for size, batch in zip(sizes.tolist(), best_fit(sizes, budget).tolist(), strict=True):
        rooms[batch] = rooms.get(batch, budget) - size
        left.append(rooms[batch])
    assert left == best_fit_by_search(sizes.tolist(), budget)


def test_best_fit_with_a_large_budget() -> None:
    budget = 10**9
    sizes = np.random.default_rng(0).integers(1, budget, 2000)
    loads = np.bincount(best_fit(sizes, budget), weights=sizes)
    assert loads.max() <= budget
    assert loads.mean() > 0.9 * budget


def test_a_million_frames() -> None:
    sizes = np.random.default_rng(0).integers(5, 50, 1_000_000)
    packing = Packing(sizes, 500, 1)
    batches = epoch(packing, 0)
    assert np.add.reduceat(sizes[batches.frames], batches.starts[:-1]).max() <= 500
    assert np.bincount(batches.frames).tolist() == [1] * 1_000_000
    assert sizes.sum() / (500 * len(packing)) > 0.99
