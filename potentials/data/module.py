"""The Lightning data module: graphs built once, batches in an order that depends on seed and epoch only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from potentials.data.graph import AtomicGraph, collate, graphs_from_frames
from potentials.data.labels import LabelledFrame
from potentials.data.prepare import PreparedData
from potentials.errors import DataError

EVALUATION_BATCH_FACTOR = 4
"""Evaluation keeps no graph for the derivative with respect to the weights, so its batches may be larger."""


class EpochSampler(DistributedSampler[int]):
    """A permutation of the frames that depends on (seed, epoch) only, dealt out to W processes in turn.

    A step of W processes with batches of B frames sees the frames that one process with batches of W B sees. Where the
    number of frames is not a multiple of W, the first frames of the permutation are repeated at its end.

    Lightning calls `set_epoch` before each epoch, also after a run was continued. It leaves a `DistributedSampler` as
    it is; any other sampler it would wrap in one of its own, which shuffles once more with another seed.
    """

    def __init__(self, graphs: list[AtomicGraph], seed: int, num_replicas: int = 1, rank: int = 0) -> None:
        # A list is a Dataset in all but name.
        super().__init__(graphs, num_replicas=num_replicas, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.count = len(graphs)
        self.skipped = 0
        self.skipped_epoch = 0

    def skip(self, frames: int) -> None:
        """Leave out the first frames of the present epoch."""
        self.skipped, self.skipped_epoch = frames, self.epoch

    def __iter__(self) -> Iterator[int]:
        order = np.random.Generator(np.random.PCG64([self.seed, self.epoch])).permutation(self.count)
        first = self.skipped if self.epoch == self.skipped_epoch else 0
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist()[first:])


class ShareSampler(DistributedSampler[int]):
    """Every W-th frame, so that W processes evaluate each frame exactly once (Lightning's own would repeat some)."""

    def __init__(self, graphs: list[AtomicGraph], num_replicas: int = 1, rank: int = 0) -> None:
        if len(graphs) < num_replicas:
            raise DataError(
                f"{len(graphs)} frames cannot be shared out among {num_replicas} processes; use fewer devices"
            )
        super().__init__(graphs, num_replicas=num_replicas, rank=rank, shuffle=False)  # type: ignore[arg-type]
        self.share = range(rank, len(graphs), num_replicas)

    def __len__(self) -> int:
        return len(self.share)

    def __iter__(self) -> Iterator[int]:
        return iter(self.share)


class GraphDataModule(lightning.LightningDataModule):
    """Loaders of graph batches for training, validation and each named test set.

    Args:
        prepared: the data.
        elements: the symbols the model knows, ordered by atomic number.
        cutoff: A.

    Attributes:
        train_graphs, validation_graphs: lists of `AtomicGraph`; test_graphs: the same by name of the test set.
        groups: names that `graph.group` indexes.
        test_names: names of the test loaders, in their order.
    """

    def __init__(self, prepared: PreparedData, elements: Sequence[str], cutoff: float) -> None:
        super().__init__()
        self.prepared = prepared
        self.elements = list(elements)
        self.cutoff = cutoff
        self.groups = prepared.groups
        model = prepared.config.model
        already_built = self.elements == model.elements and cutoff == model.cutoff
        self.train_graphs = prepared.train_graphs if already_built else self._build(prepared.train)
        self.validation_graphs = self._build(prepared.validation)
        self.test_graphs = {name: self._build(frames) for name, frames in prepared.tests.items()}
        self.test_names = list(self.test_graphs)
        self._batches_done = 0

    def train_dataloader(self) -> DataLoader[AtomicGraph]:
        """Batches of `data.batch_size` training frames, shuffled anew each epoch; the last one may be smaller."""
        sampler = EpochSampler(self.train_graphs, self.prepared.config.seed, *_processes())
        if self.trainer is not None:
            # A continued run starts its worker processes, which draw batches ahead, before Lightning sets the epoch.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        sampler.skip(self._batches_done * self.prepared.config.data.batch_size)
        return self._loader(self.train_graphs, self.prepared.config.data.batch_size, sampler)

    def state_dict(self) -> dict[str, Any]:
        """Part of a checkpoint: how many batches of this epoch were trained on, in each of how many processes."""
        trainer = self.trainer
        done = (
            0 if trainer is None or trainer.is_last_batch else trainer.fit_loop.epoch_loop.batch_progress.current.ready
        )
        return {"batches_done": done, "processes": _processes()[0]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin with the batch after those.

        Raises:
            DataError: the number of processes has changed, so that these batches are others.
        """
        self._batches_done = state_dict["batches_done"]
        before, now = state_dict["processes"], _processes()[0]
        if self._batches_done and before != now:
            raise DataError(
                f"the run was interrupted within an epoch of {before} processes, and there are {now} now; continue it "
                "with as many (train.devices, train.nodes) until that epoch is over"
            )

    def val_dataloader(self) -> DataLoader[AtomicGraph]:
        """Validation frames in order."""
        return self._evaluation_loader(self.validation_graphs)

    def test_dataloader(self) -> list[DataLoader[AtomicGraph]]:
        """One loader for each test set, in the order of `test_names`."""
        return [self._evaluation_loader(graphs) for graphs in self.test_graphs.values()]

    def _build(self, frames: Sequence[LabelledFrame]) -> list[AtomicGraph]:
        return graphs_from_frames(frames, self.elements, self.cutoff, self.groups)

    def _evaluation_loader(self, graphs: list[AtomicGraph]) -> DataLoader[AtomicGraph]:
        data = self.prepared.config.data
        return self._loader(
            graphs,
            data.evaluation_batch_size or EVALUATION_BATCH_FACTOR * data.batch_size,
            ShareSampler(graphs, *_processes()),
        )

    def _loader(self, graphs: list[AtomicGraph], batch_size: int, sampler: Sampler[int]) -> DataLoader[AtomicGraph]:
        workers = self.prepared.config.data.workers
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        options: dict[str, Any] = {"persistent_workers": True} if workers else {}
        return DataLoader(
            graphs,  # type: ignore[arg-type]
            batch_size=batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            # For the workers' seeds; taken from torch's own generator, they would make continued runs differ.
            generator=torch.Generator().manual_seed(self.prepared.config.seed),
            pin_memory=on_gpu,
            **options,
        )


def _processes() -> tuple[int, int]:
    """How many processes train together, and which of them this is."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_world_size(), torch.distributed.get_rank()
    return 1, 0
