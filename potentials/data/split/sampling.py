"""The frames that statistics are taken from where reading all of them would take too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from potentials.data.label import LabeledFrame

if TYPE_CHECKING:
    from potentials.data.split.split import Split

SAMPLED_FRAMES = 10_000
"""Frames that statistics are taken from where not all are in memory."""
_RARE = 100
"""Frames with an element that reference energies are fitted to, at least, if there are so many."""
_SAMPLE = 2
"""Keeps the choice of the sample apart from others with the same seed."""


def sampled_numbers(count: int, seed: int) -> NDArray[np.int64]:
    """The numbers of the sampled frames among `count`, ascending: all, or `SAMPLED_FRAMES` drawn at random."""
    if count <= SAMPLED_FRAMES:
        return np.arange(count)
    return np.sort(np.random.Generator(np.random.PCG64([seed, _SAMPLE])).choice(count, SAMPLED_FRAMES, replace=False))


def with_rare_elements(sample: Sequence[LabeledFrame], split: Split, seed: int) -> Sequence[LabeledFrame]:
    """The sample, and more frames of elements that are too rare in all frames to be in it."""
    if len(sample) == len(split):
        return sample
    there = np.zeros(len(split), dtype=bool)
    there[sampled_numbers(len(split), seed)] = True
    more = np.zeros(len(split), dtype=bool)
    for symbol in sorted(split.elements()):
        with_it = split.has_element(symbol)
        lacking = _RARE - int((with_it & (there | more)).sum())
        more[np.flatnonzero(with_it & ~there & ~more)[: max(0, lacking)]] = True
    return [*sample, *split.where(more)]
