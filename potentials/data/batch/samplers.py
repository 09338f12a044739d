"""Which frames form a batch: of training, in an order that depends on seed and epoch only, and of evaluation."""

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

    All processes have the same number of batches, and every epoch has the same number. An epoch can be begun at a later
    batch, so that a run that stopped there goes on as if it had not.

    Lightning calls `set_epoch` of a batch sampler's `sampler` before each epoch, also after a run was continued. The
    trainer has to be told with `use_distributed_sampler=False` that the batches are dealt out already.

    Args:
        seed: with the epoch's number, all that decides.
        processes: W.
        rank: which of them this is.
    """

    def __init__(self, seed: int, processes: int = 1, rank: int = 0) -> None:
        self.seed = seed
        self.processes = processes
        self.rank = rank
        self.epoch = 0
        self._skipped = 0

    @property
    def sampler(self) -> TrainingBatches:
        """Where Lightning sets the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of this epoch from the next iteration on. What was skipped in another one comes again."""
        if epoch != self.epoch:
            self._skipped = 0
        self.epoch = epoch

    def skip(self, batches: int) -> None:
        """Leave out the first batches of the present epoch, which were trained on before a run was continued.

        The length stays that of a whole epoch, and other epochs are whole.

        Raises:
            ValueError: there are not so many batches.
        """
        if not 0 <= batches <= len(self):
            raise ValueError(f"expected a number from 0 to {len(self)} of batches to skip, got {batches}")
        self._skipped = batches

    def __iter__(self) -> Iterator[list[int]]:
        """Places of the frames of each batch in the list of training frames."""
        drawn = self._draw(np.random.Generator(np.random.PCG64([self.seed, self.epoch])))
        return _lists(drawn, self._skipped)

    @abstractmethod
    def __len__(self) -> int:
        """Batches of an epoch for each process."""

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Batches:
        """This process' batches of an epoch."""


class CountedBatches(TrainingBatches):
    """Batches of B frames: a permutation of the frames, dealt out to W processes in turn; the last may be smaller.

    A step of W processes with batches of B frames sees the frames that one process with batches of W B sees. Where the
    number of frames is not a multiple of W, the first frames of the permutation are repeated at its end.

    Args:
        frames: how many there are.
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
    """Batches of no more than so many atoms or edges (see `Packing`), dealt out to W processes in turn.

    Step k of W processes sees the frames of batches k W, ..., k W + W - 1 of one process, so that each process keeps
    the budget. Where the number of batches is not a multiple of W, the first batches of the epoch are repeated at its
    end. Every batch is nearly full, so that no process waits long for another.

    Args:
        sizes: [number of frames], what each takes of the budget.
        budget: the most that a batch may hold.
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
    graphs: Sequence[AtomicGraph], limit: BatchLimit, seed: int, processes: int = 1, rank: int = 0
) -> TrainingBatches:
    """The training batches within a limit."""
    if limit.quantity == "frames":
        return CountedBatches(len(graphs), limit.most, seed, processes, rank)
    return PackedBatches(limit.sizes(graphs), limit.most, seed, processes, rank)


class EvaluationBatches(Sampler[list[int]]):
    """Every W-th frame, in order and in batches within a limit, so that W processes evaluate each frame exactly once.

    Raises:
        DataError: there are fewer frames than processes.
    """

    def __init__(self, graphs: Sequence[AtomicGraph], limit: BatchLimit, processes: int = 1, rank: int = 0) -> None:
        if len(graphs) < processes:
            raise DataError(
                f"{len(graphs)} frames of validation cannot be shared out among {processes} processes; use fewer "
                "devices or more validation frames"
            )
        share = np.arange(rank, len(graphs), processes)
        self.drawn = Batches(share, consecutive(limit.sizes(graphs)[share], limit.most))

    def __len__(self) -> int:
        return len(self.drawn)

    def __iter__(self) -> Iterator[list[int]]:
        return _lists(self.drawn, 0)


def _lists(drawn: Batches, first: int) -> Iterator[list[int]]:
    """The batches from the first on, as the lists that a loader wants; made one by one."""
    for start, end in zip(drawn.starts[first:-1].tolist(), drawn.starts[first + 1 :].tolist(), strict=True):
        yield drawn.frames[start:end].tolist()
