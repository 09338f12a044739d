"""Dividing frames into training, validation and test sets."""

from __future__ import annotations

import numpy as np

from potentials.errors import DataError

_SUBSET = 1
"""Keeps the permutation of `draw_subset` apart from others with the same seed."""


def draw_split(
    count: int, seed: int, validation: int | float | None, test: int | float | None
) -> tuple[list[int], list[int], list[int]]:
    """Draw validation and test frames at random: the numbers of the training, validation and test frames, ascending.

    The validation frames are the first of a permutation of `range(count)` by numpy's PCG64 with the given seed, the
    test frames the next, so that they depend on the number of frames and the seed only, and adding a test set does not
    change the validation set.

    Args:
        count: number of frames to divide.
        seed: of the permutation.
        validation: how many (int) or which fraction (float, rounded, at least one); None for none.
        test: the same.

    Raises:
        DataError: nothing would be left to train on.
    """
    num_validation = _number(count, validation)
    num_test = _number(count, test)
    if num_validation + num_test >= count:
        asked = ", ".join(
            f"{name} {number} (data.{name}: {wish})"
            for name, wish, number in (("validation", validation, num_validation), ("test", test, num_test))
            if wish is not None
        )
        raise DataError(
            f"the split leaves no frame to train on: there are {count} frames and {asked} would be set aside; "
            "lower these numbers or give more data"
        )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    cut = np.split(order, [num_validation, num_validation + num_test])
    validation_frames, test_frames, train_frames = (sorted(int(i) for i in numbers) for numbers in cut)
    return train_frames, validation_frames, test_frames


def draw_subset(count: int, seed: int, size: int) -> list[int]:
    """Draw `size` of `range(count)` at random, ascending; with the same seed, a smaller choice is part of a larger one.

    They are the first of a permutation of `range(count)` by numpy's PCG64, another one than that of `draw_split`.

    Raises:
        DataError: there are not so many.
    """
    if size > count:
        raise DataError(f"data.train_size: {size}, but only {count} frames are left to train on")
    order = np.random.Generator(np.random.PCG64([seed, _SUBSET])).permutation(count)
    return sorted(int(i) for i in order[:size])


def _number(count: int, wish: int | float | None) -> int:
    if wish is None:
        return 0
    return wish if isinstance(wish, int) else max(1, round(count * wish))
