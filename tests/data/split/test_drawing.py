from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms

from potentials.data.label import LabeledFrame
from potentials.data.split import SplitInMemory, Splits
from potentials.data.split.drawing import draw_split, draw_subset
from potentials.errors import DataError


@pytest.mark.parametrize(
    ("count", "validation", "test", "sizes"),
    [
        (100, 0.1, None, (90, 10, 0)), (100, 10, 0.25, (65, 10, 25)), (7, 0.1, 1, (5, 1, 1)), (3, 1, 1, (1, 1, 1)),
        (500, 50, None, (450, 50, 0)), (10, None, None, (10, 0, 0)), (4, None, 0.5, (2, 0, 2)),
    ],
)  # fmt: skip
def test_parts_are_disjoint_complete_and_of_the_asked_size(
    count: int, validation: float | None, test: float | None, sizes: tuple[int, int, int]
) -> None:
    parts = draw_split(count, 3, validation, test)
    assert tuple(len(part) for part in parts) == sizes
    assert sorted(itertools.chain(*parts)) == list(range(count))
    assert all(part == sorted(part) for part in parts)


def test_the_seed_decides() -> None:
    splits = [draw_split(200, seed, 20, 30) for seed in (1, 1, 2)]
    assert splits[0] == splits[1]
    assert splits[0][1] != splits[2][1]


def test_the_draw_is_the_documented_one_for_ever() -> None:
    """numpy promises PCG64's stream, so a split can be repeated without this package; runs rely on these numbers."""
    permutation = np.random.Generator(np.random.PCG64(1)).permutation(10)
    assert draw_split(10, 1, 3, 2)[1] == sorted(permutation[:3].tolist()) == [4, 7, 8]
    assert draw_split(10, 1, 3, 2)[2] == sorted(permutation[3:5].tolist())


def test_a_test_set_does_not_change_the_validation_set() -> None:
    assert draw_split(100, 5, 10, 20)[1] == draw_split(100, 5, 10, None)[1]


@pytest.mark.parametrize(
    ("count", "validation", "test", "message"),
    [
        (500, 500, None, r"there are 500 frames and validation 500 \(data.validation: 500\)"),
        (10, 20, None, r"there are 10 frames and validation 20"),
        (10, 0.5, 0.5, r"validation 5 \(data.validation: 0.5\), test 5 \(data.test: 0.5\) would be set aside"),
        (1, 0.1, None, r"there are 1 frames and validation 1"),
    ],
)
def test_nothing_left_to_train_on(count: int, validation: float, test: float | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_split(count, 1, validation, test)


def test_the_record_is_json_and_names_every_frame(labeled: Callable[..., LabeledFrame]) -> None:
    a, b, c, d = (labeled(Atoms("H"), i, file) for i, file in ((3, "a"), (4, "a"), (0, "b"), (9, "c")))
    train, validation, hot, cold = (SplitInMemory(frames) for frames in ([a, c], [b], [d], []))
    record = Splits(train, validation, {"hot": hot, "cold": cold}, [], 7).record()
    assert json.loads(json.dumps(record)) == {
        "seed": 7,
        "train": {"a": [3], "b": [0]},
        "validation": {"a": [4]},
        "tests": {"hot": {"c": [9]}, "cold": {}},
        "isolated_atoms": {},
    }


def test_a_smaller_subset_is_part_of_a_larger_one():
    chosen = [set(draw_subset(40, 3, size)) for size in (5, 17, 40)]
    assert [len(part) for part in chosen] == [5, 17, 40]
    assert chosen[0] < chosen[1] < chosen[2] == set(range(40))
    assert draw_subset(40, 3, 5) == sorted(chosen[0])
    assert set(draw_subset(40, 4, 5)) != chosen[0]


def test_a_subset_larger_than_what_there_is():
    with pytest.raises(DataError, match=r"data.train_size: 41, but only 40 frames are left"):
        draw_subset(40, 3, 41)
