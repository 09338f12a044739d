"""Packing of frames of different sizes into batches within a budget, reshuffled in each epoch."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_STEP = 1.025
"""Ratio of adjacent size classes, except for the small ones, which differ by one."""
_EXCHANGES = 32
"""Approximate number of frames that each batch offers for exchange in an epoch."""
_DIGIT = 9
_MOST_UNITS = 1 << (2 * _DIGIT)
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Batches:
    """Batch k holds `frames[starts[k] : starts[k + 1]]`."""

    frames: Integers
    starts: Integers

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, numbers: Integers) -> Batches:
        """Return the batches of these numbers, in this order."""
        counts = np.diff(self.starts)[numbers]
        starts = np.concatenate([[0], np.cumsum(counts)])
        source = np.repeat(self.starts[numbers] - starts[:-1], counts) + np.arange(starts[-1])
        return Batches(self.frames[source], starts)


class Packing:
    """Frames packed into a fixed number of batches, shuffled between batches in each epoch.

    Let s_i be the size of frame i (its atoms or edges, at least 1) and B the budget. The frames are packed once: in an
    order drawn with the seed, each goes to the batch with the least sufficient room, or opens a new one (best fit).
    Its size is counted as c_i >= s_i, s_i rounded up to the next of the size classes

        1, 2, ..., 40, 41, 42, ..., g, max(g + 1, floor(1.025 g)), ..., B

    so that the sum of c_i over a batch is at most B. This gives K batches with slots of certain classes. K is constant:
    the number of steps in an epoch depends on sizes, budget and seed only.

    In each epoch

    1. the frames of each class are permuted at random over all slots of their class. No batch exceeds B, since every
       frame counts with at most the c of its slot;
    2. batches, paired at random, exchange a random frame of one for a random frame of the other if both stay within B
       with the true sizes; 32 times. This is a Markov chain with symmetric transition probabilities, so that all
       arrangements are equally likely. It mixes data sets with few frames per class, small or of very different sizes;
    3. the batches are put in random order.

    All three use the generator given for the epoch and start from the same packing, so that an epoch's batches do not
    depend on earlier epochs.

    Packing takes O(N log N) time, about two microseconds per frame, and an epoch O(N log N) within NumPy.

    Args:
        sizes: [N], none larger than the budget.
        budget: maximum size of a batch.
        seed: of the packing.
    """

    def __init__(self, sizes: Integers, budget: int, seed: int) -> None:
        self.budget = budget
        self.sizes = np.maximum(sizes, 1)
        levels = size_classes(budget)
        classes = np.searchsorted(levels, self.sizes)
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes))
        batch_of = np.empty(len(sizes), dtype=np.int64)
        batch_of[order] = best_fit(levels[classes][order], budget)
        by_batch = np.argsort(batch_of, kind="stable")
        counts = np.bincount(batch_of)
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self._places = np.argsort(classes[by_batch], kind="stable")
        self._frames = np.argsort(classes, kind="stable")
        self._classes = classes[self._frames]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def draw(self, generator: np.random.Generator) -> Batches:
        """Return the batches of an epoch, in order."""
        frames = np.empty_like(self._frames)
        shuffled = np.lexsort((generator.random(len(frames)), self._classes))
        frames[self._places] = self._frames[shuffled]
        self._exchange(frames, generator)
        return Batches(frames, self._starts).take(generator.permutation(len(self)))

    def _exchange(self, frames: Integers, generator: np.random.Generator) -> None:
        """Step 2, in place."""
        counts = np.diff(self._starts)
        loads = np.add.reduceat(self.sizes[frames], self._starts[:-1])
        pairs = len(self) // 2
        for _ in range(_EXCHANGES):
            one, other = generator.permutation(len(self))[: 2 * pairs].reshape(2, pairs)
            place = self._starts[one] + (generator.random(pairs) * counts[one]).astype(np.int64)
            other_place = self._starts[other] + (generator.random(pairs) * counts[other]).astype(np.int64)
            gain = self.sizes[frames[other_place]] - self.sizes[frames[place]]
            fits = (loads[one] + gain <= self.budget) & (loads[other] - gain <= self.budget)
            place, other_place, gain = place[fits], other_place[fits], gain[fits]
            frames[place], frames[other_place] = frames[other_place], frames[place]
            loads[one[fits]] += gain
            loads[other[fits]] -= gain


def size_classes(budget: int) -> Integers:
    """Return the size classes, ascending; the last is the budget."""
    levels = [1]
    while levels[-1] < budget:
        levels.append(min(budget, max(levels[-1] + 1, int(_STEP * levels[-1]))))
    return np.array(levels, dtype=np.int64)


def best_fit(sizes: Integers, budget: int) -> Integers:
    """Assign each frame, in the given order, to the fullest batch with sufficient room, or to a new one.

    Batches with the same room left form a stack. Two levels of bit sets mark the stacks that are not empty, so that the
    least sufficient room is found with a few operations on machine words. Rooms are counted in units of which a batch
    contains at most 2^18: budgets up to that are exact; for larger ones, sizes are rounded up to the unit.

    Args:
        sizes: [N], from 1 to `budget`.
        budget: maximum size of a batch.

    Returns:
        [N], the number of the batch of each frame.
    """
    unit = -(-budget // (_MOST_UNITS - 1))
    capacity = budget // unit
    stacks: defaultdict[int, list[int]] = defaultdict(list)
    digits = 1 << _DIGIT
    low = [0] * digits
    """Bit j of entry i: there is a batch with room i * 512 + j."""
    high = 0
    """Bit i: entry i of `low` is not zero."""
    chosen = array("q")
    opened = 0
    for start in range(0, len(sizes), _CHUNK):
        for size in np.minimum(-(-sizes[start : start + _CHUNK] // unit), capacity).tolist():
            row, column = size >> _DIGIT, size & (digits - 1)
            found = low[row] >> column
            if found:
                column += (found & -found).bit_length() - 1
            elif found := high >> (row + 1):
                row += (found & -found).bit_length()
                found = low[row]
                column = (found & -found).bit_length() - 1
            if found:
                room = (row << _DIGIT) + column
                batch = stacks[room].pop()
                if not stacks[room]:
                    low[row] ^= 1 << column
                    if not low[row]:
                        high ^= 1 << row
            else:
                room, batch = capacity, opened
                opened += 1
            chosen.append(batch)
            room -= size
            if room:
                if not stacks[room]:
                    low[room >> _DIGIT] |= 1 << (room & (digits - 1))
                    high |= 1 << (room >> _DIGIT)
                stacks[room].append(batch)
    return np.frombuffer(chosen, dtype=np.int64)
