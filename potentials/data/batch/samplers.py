"""Samplers of training batches, in an order that depends on seed and epoch only, and of evaluation batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from potentials.data.batch.batch_limits import BatchLimit, consecutive
from potentials.data.batch.packing import Batches, Packing
from potentials.data.graph import AtomicGraph
from potentials.errors import DataError


class TrainingBatches(Sampler[list[int]]):
    """The batches that one of W processes trains on, in an order that depends on (seed, epoch) only.

    All processes have the same number of batches, and every epoch has the same number. An epoch can start at a later
    batch, so that a run that was interrupted there continues identically.

    Lightning calls `set_epoch` of a batch sampler's `sampler` before each epoch, also in a continued run. The trainer
    needs `use_distributed_sampler=False`, since the batches are already distributed over the processes.

    Args:
        seed: seed of the random order, together with the number of the epoch.
        processes: W.
        rank: number of this process, from 0.
    """

    def __init__(self, seed: int, processes: int = 1, rank: int = 0) -> None:
        self.seed = seed
        self.processes = processes
        self.rank = rank
        self.uses: NDArray[np.int64] | None = None
        """The frame that each of the drawn positions means, if frames are repeated within an epoch."""
        self.epoch = 0
        self._skipped = 0

    @property
    def sampler(self) -> TrainingBatches:
        """The object on which Lightning sets the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of this epoch from the next iteration on; a skip set in another epoch is dropped."""
        if epoch != self.epoch:
            self._skipped = 0
        self.epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the current epoch, which were trained on before the run was continued.

        The length remains that of a whole epoch, and other epochs are complete.

        Raises:
            ValueError: the epoch has fewer batches.
        """
        if not 0 <= batches <= len(self):
            raise ValueError(f"expected 0 to {len(self)} batches to skip, got {batches}")
        self._skipped = batches

    def __iter__(self) -> Iterator[list[int]]:
        """Yield, for each batch, the positions of its frames in the list of training frames."""
        drawn = self._draw(np.random.Generator(np.random.PCG64([self.seed, self.epoch])))
        if self.uses is not None:
            drawn = Batches(self.uses[drawn.frames], drawn.starts)
        return _lists(drawn, self._skipped)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches of an epoch for each process."""

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Batches:
        """Return this process's batches of an epoch."""


class CountedBatches(TrainingBatches):
    """Batches of B frames: a random permutation, distributed over W processes in turn; the last may be smaller.

    A step of W processes with batches of B frames uses the same frames as one process with batches of W B. If the
    number of frames is not a multiple of W, the first frames of the permutation are repeated at its end.

    Args:
        frames: number of frames.
        batch_size: B.
        seed, processes, rank: see `TrainingBatches`.
    """

    def __init__(self, frames: int, batch_size: int, seed: int, processes: int = 1, rank: int = 0) -> None:
        super().__init__(seed, processes, rank)
        self.frames = frames
        self.batch_size = batch_size
        self.share = -(-frames // processes)

    def __len__(self) -> int:
        return -(-self.share // self.batch_size)

    def _draw(self, generator: np.random.Generator) -> Batches:
        order = generator.permutation(self.frames)
        share = np.resize(order, self.share * self.processes)[self.rank :: self.processes]
        starts = np.minimum(np.arange(len(self) + 1) * self.batch_size, self.share)
        return Batches(share, starts)


class PackedBatches(TrainingBatches):
    """Batches within a number of atoms or edges (see `Packing`), distributed over W processes in turn.

    Step k of W processes uses the frames of batches k W, ..., k W + W - 1 of one process, so that each process stays
    within the budget. If the number of batches is not a multiple of W, the first batches of the epoch are repeated at
    its end. All batches are nearly full, so that processes wait little for each other.

    Args:
        sizes: [number of frames], size of each frame.
        budget: maximum size of a batch.
        seed, processes, rank: see `TrainingBatches`.
    """

    def __init__(self, sizes: NDArray[np.int64], budget: int, seed: int, processes: int = 1, rank: int = 0) -> None:
        super().__init__(seed, processes, rank)
        self.packing = Packing(sizes, budget, seed)

    def __len__(self) -> int:
        return -(-len(self.packing) // self.processes)

    def _draw(self, generator: np.random.Generator) -> Batches:
        dealt = np.resize(np.arange(len(self.packing)), len(self) * self.processes)
        return self.packing.draw(generator).take(dealt[self.rank :: self.processes])


def training_batches(
    graphs: Sequence[AtomicGraph],
    limit: BatchLimit,
    seed: int,
    processes: int = 1,
    rank: int = 0,
    repeats: NDArray[np.int64] | None = None,
) -> TrainingBatches:
    """Return the training batches within a limit.

    Args:
        graphs: of the training frames.
        limit: of a batch.
        seed, processes, rank: see `TrainingBatches`.
        repeats: [graphs], how many times an epoch uses each frame; once by default.
    """
    uses = np.repeat(np.arange(len(graphs)), 1 if repeats is None else repeats)
    batches: TrainingBatches
    if limit.quantity == "frames":
        batches = CountedBatches(len(uses), limit.most, seed, processes, rank)
    else:
        batches = PackedBatches(limit.sizes(graphs)[uses], limit.most, seed, processes, rank)
    batches.uses = None if repeats is None else uses
    return batches


class EvaluationBatches(Sampler[list[int]]):
    """Every W-th frame, in order and in batches within a limit, so that W processes evaluate each frame exactly once.

    Raises:
        DataError: there are fewer frames than processes.
    """

    def __init__(self, graphs: Sequence[AtomicGraph], limit: BatchLimit, processes: int = 1, rank: int = 0) -> None:
        if len(graphs) < processes:
            raise DataError(
                f"{len(graphs)} validation frames cannot be distributed over {processes} processes; use fewer "
                "devices or more validation frames"
            )
        share = np.arange(rank, len(graphs), processes)
        self.drawn = Batches(share, consecutive(limit.sizes(graphs)[share], limit.most))

    def __len__(self) -> int:
        return len(self.drawn)

    def __iter__(self) -> Iterator[list[int]]:
        return _lists(self.drawn, 0)


def _lists(drawn: Batches, first: int) -> Iterator[list[int]]:
    """Yield the batches from the first on, as lists for a data loader."""
    for start, end in zip(drawn.starts[first:-1].tolist(), drawn.starts[first + 1 :].tolist(), strict=True):
        yield drawn.frames[start:end].tolist()
