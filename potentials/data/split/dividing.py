"""Dividing frames into splits that do not leak: by blocks of trajectories, groups, compositions, or distance."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from potentials.data.geometry import structure_descriptor
from potentials.data.read import Frame
from potentials.errors import DataError

Way = Literal["random", "block", "group", "composition", "farthest-point"]
TRAIN = "train"


def divide_frames(
    frames: Sequence[Frame],
    shares: Mapping[str, float],
    way: Way,
    seed: int,
    *,
    blocks: int = 10,
    group_key: str = "config_type",
) -> dict[str, list[int]]:
    """The numbers of the frames of each split, ascending; what no share asks for goes to `train`.

    - `random`: each frame for itself. Only for frames that are independent of each other.
    - `block`: each file is cut into so many stretches of successive frames, and these are shared out whole.
    - `group`, `composition`: all frames of one value of `group_key`, or of one chemical formula, stay together, so that
      the other splits hold what the training frames lack.
    - `farthest-point`: the training frames are those most unlike each other (each is the one farthest from all before,
      by descriptors that rotations do not change); the rest is shared out at random.

    Args:
        frames: without isolated atoms.
        shares: of the frames, by split, such as `{"validation": 0.1, "test": 0.1}`.
        way: how.
        seed: of what is drawn.
        blocks: of each file, for `block`.
        group_key: entry of `atoms.info`, for `group`.

    Raises:
        DataError: shares that leave nothing to train on, groups that are missing or too large, too few blocks.
    """
    _check_shares(shares)
    random = np.random.Generator(np.random.PCG64(seed))
    wanted = {split: max(1, round(share * len(frames))) for split, share in shares.items()}
    if sum(wanted.values()) >= len(frames):
        listing = ", ".join(f"{name} {count}" for name, count in wanted.items())
        raise DataError(
            f"no frame is left for training: {listing} of {len(frames)} frames would be set aside; choose smaller "
            "fractions"
        )
    if way == "random":
        return _named(_cut(random.permutation(len(frames)), wanted), len(frames))
    if way == "farthest-point":
        return _named(_beside_farthest(frames, wanted, random), len(frames))
    classes: dict[str, Callable[[], Sequence[Hashable]]] = {
        "block": lambda: _blocks(frames, blocks),
        "group": lambda: _groups(frames, group_key),
        "composition": lambda: [frame.atoms.get_chemical_formula() for frame in frames],
    }
    return _named(_whole_classes(classes[way](), wanted, way, random), len(frames))


def _check_shares(shares: Mapping[str, float]) -> None:
    wrong = [f"{split}: {share:g}" for split, share in shares.items() if not 0 < share < 1]
    if wrong or sum(shares.values()) >= 1:
        given = ", ".join(wrong or (f"{split}: {share:g}" for split, share in shares.items()))
        raise DataError(
            f"each fraction must be between 0 and 1, and their sum below 1 so that training frames remain; got {given}"
        )


def _cut(order: NDArray[np.int64], wanted: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
    ends = np.cumsum(list(wanted.values()))
    return dict(zip(wanted, np.split(order, ends)[:-1], strict=True))


def _named(splits: Mapping[str, NDArray[np.int64]], count: int) -> dict[str, list[int]]:
    taken = np.concatenate([np.asarray(split, dtype=np.int64) for split in splits.values()])
    rest = np.setdiff1d(np.arange(count), taken)
    return {TRAIN: rest.tolist(), **{name: sorted(int(k) for k in split) for name, split in splits.items()}}


def _blocks(frames: Sequence[Frame], blocks: int) -> list[Hashable]:
    """(file, number of the stretch) of each frame."""
    if blocks < 2:
        raise DataError(f"blocks: expected at least 2 per file, got {blocks}")
    of_file: dict[str, list[int]] = {}
    for number, frame in enumerate(frames):
        of_file.setdefault(frame.file, []).append(number)
    found: list[Hashable] = [None] * len(frames)
    for file, members in of_file.items():
        for block, stretch in enumerate(np.array_split(sorted(members, key=lambda k: frames[k].index), blocks)):
            for number in stretch:
                found[int(number)] = (file, block)
    return found


def _groups(frames: Sequence[Frame], key: str) -> list[Hashable]:
    without = sum(key not in frame.atoms.info for frame in frames)
    if without:
        there = sorted({name for frame in frames for name in frame.atoms.info})
        raise DataError(
            f'{without} of {len(frames)} frames have no entry "{key}", which defines the groups; available entries: '
            f"{', '.join(there) or 'none'}"
        )
    return [str(frame.atoms.info[key]) for frame in frames]


def _whole_classes(
    classes: Sequence[Hashable], wanted: Mapping[str, int], way: Way, random: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Classes in random order, each split taking one more while that brings it nearer to what it should have."""
    members: dict[Hashable, list[int]] = {}
    for number, name in enumerate(classes):
        members.setdefault(name, []).append(number)
    waiting = [list(members.values())[k] for k in random.permutation(len(members))]
    splits: dict[str, list[int]] = {split: [] for split in wanted}
    for split, count in wanted.items():
        for candidate in list(waiting):
            have = len(splits[split])
            nearer = abs(have - count) - abs(have + len(candidate) - count)
            if (nearer > 0 or (nearer == 0 and not have)) and len(waiting) > 1:
                splits[split] += candidate
                waiting.remove(candidate)
        if not splits[split]:
            sizes = sorted(len(candidate) for candidate in members.values())
            units = f"{len(sizes)} indivisible units of {sizes[0]} to {sizes[-1]} frames"
            if len(sizes) == 1:
                units = f"one indivisible unit of {sizes[0]} frames"
            raise DataError(
                f"cannot select about {count} {split} frames: with --by {way}, the data consist of {units}; choose "
                "another fraction or --by, or more blocks"
            )
    return {split: np.array(chosen) for split, chosen in splits.items()}


def _beside_farthest(
    frames: Sequence[Frame], wanted: Mapping[str, int], random: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    elements = np.unique(np.concatenate([frame.atoms.numbers for frame in frames]))
    descriptors = np.array([structure_descriptor(frame.atoms, elements) for frame in frames])
    chosen = farthest_points(descriptors, len(frames) - sum(wanted.values()))
    rest = np.setdiff1d(np.arange(len(frames)), chosen)
    return _cut(random.permutation(rest), wanted)


def farthest_points(points: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Numbers of `count` points: first the one nearest to the mean, then always the one farthest from those chosen."""
    first = int(np.argmin(np.linalg.norm(points - points.mean(axis=0), axis=1)))
    chosen = [first]
    distances = np.linalg.norm(points - points[first], axis=1)
    distances[first] = -1.0
    while len(chosen) < count:
        farthest = int(np.argmax(distances))
        chosen.append(farthest)
        distances = np.minimum(distances, np.linalg.norm(points - points[farthest], axis=1))
        distances[farthest] = -1.0
    return np.array(chosen)
