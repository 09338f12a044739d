"""The Lightning data module: graphs built once, batches in an order that depends on seed and epoch only."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from potentials.config.data import DataConfig
from potentials.data.batch import BatchLimit, EvaluationBatches, evaluation_limit, training_batches, training_limit
from potentials.data.graph import AtomicGraph, Graphs, collate
from potentials.data.label import LabeledFrame
from potentials.data.prepare import PreparedData
from potentials.data.split import Split, groups_of_heads
from potentials.errors import DataError
from potentials.exit_codes import ENDING_SIGNALS


class GraphDataModule(lightning.LightningDataModule):
    """Loaders of graph batches for training, validation and each named test set.

    Args:
        prepared: the data.
        elements: the symbols the model knows, ordered by atomic number.
        cutoff: A.

    Raises:
        DataError: a frame alone is larger than a batch may be.

    Attributes:
        train_graphs, validation_graphs: sequences of `AtomicGraph`, in memory or built when they are asked for;
            test_graphs: the same by name of the test set.
        groups: names that `graph.group` indexes.
        head_groups: numbers of the groups of each head, if there are several.
        test_names: names of the test loaders, in their order.
        training_limit, evaluation_limit: what a batch may hold.
    """

    def __init__(self, prepared: PreparedData, elements: Sequence[str], cutoff: float) -> None:
        super().__init__()
        self.prepared = prepared
        self.elements = list(elements)
        self.cutoff = cutoff
        self.groups = prepared.groups
        self.head_groups = groups_of_heads(prepared.config.data.heads, prepared.groups)
        model = prepared.config.model
        already_built = self.elements == model.elements and cutoff == model.cutoff
        self.train_graphs = prepared.train_graphs if already_built else self._build(prepared.train)
        self.validation_graphs = self._build(prepared.validation)
        self.test_graphs = {name: self._build(frames) for name, frames in prepared.tests.items()}
        self.test_names = list(self.test_graphs)
        self._batches_done = 0
        self.training_limit = training_limit(prepared.config.data)
        self.evaluation_limit = evaluation_limit(prepared.config.data)
        self._check_limits()

    def train_dataloader(self) -> DataLoader[AtomicGraph]:
        """Batches of training frames, drawn anew in each epoch (see `TrainingBatches`)."""
        config = self.prepared.config
        repeats = _repeats(config.data, self.prepared.train)
        sampler = training_batches(self.train_graphs, self.training_limit, config.seed, *_processes(), repeats)
        if self.trainer is not None:
            # A continued run starts its worker processes, which draw batches ahead, before Lightning sets the epoch.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        sampler.skip(self._batches_done)
        return self._loader(self.train_graphs, sampler)

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
                f"the run was interrupted within an epoch that used {before} processes, but {now} are used now; "
                f"continue with {before} processes (train.devices, train.nodes) until this epoch is complete"
            )

    def val_dataloader(self) -> DataLoader[AtomicGraph]:
        """Validation frames in order."""
        return self._evaluation_loader(self.validation_graphs)

    def test_dataloader(self) -> list[DataLoader[AtomicGraph]]:
        """One loader for each test set, in the order of `test_names`."""
        return [self._evaluation_loader(graphs) for graphs in self.test_graphs.values()]

    def check_processes(self, processes: int) -> None:
        """Make sure that so many processes can share the evaluation, before they are started.

        Raises:
            DataError: there are fewer validation frames.
        """
        EvaluationBatches(self.validation_graphs, self.evaluation_limit, processes)

    def _check_limits(self) -> None:
        def check(limit: BatchLimit, graphs: Sequence[AtomicGraph], frames: Sequence[LabeledFrame]) -> None:
            limit.check(graphs, lambda index: str(frames[index].frame))

        check(self.training_limit, self.train_graphs, self.prepared.train)
        check(self.evaluation_limit, self.validation_graphs, self.prepared.validation)
        for name, graphs in self.test_graphs.items():
            check(self.evaluation_limit, graphs, self.prepared.tests[name])

    def _build(self, split: Split) -> Graphs:
        return split.graphs(self.elements, self.cutoff, self.groups)

    def _evaluation_loader(self, graphs: Sequence[AtomicGraph]) -> DataLoader[AtomicGraph]:
        return self._loader(graphs, EvaluationBatches(graphs, self.evaluation_limit, *_processes()))

    def _loader(self, graphs: Sequence[AtomicGraph], sampler: Sampler[list[int]]) -> DataLoader[AtomicGraph]:
        workers = self.prepared.config.data.workers
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        options: dict[str, Any] = {"persistent_workers": True} if workers else {}
        return DataLoader(
            graphs,  # type: ignore[arg-type]
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=_ignore_signals,
            # For the workers' seeds; taken from torch's own generator, they would make continued runs differ.
            generator=torch.Generator().manual_seed(self.prepared.config.seed),
            pin_memory=on_gpu,
            **options,
        )


def _repeats(data: DataConfig, train: Split) -> NDArray[np.int64] | None:
    """[n], how many times an epoch uses each training frame; None if each is used once."""
    of_heads = [head.repeat for head in data.heads.values()]
    numbers = [repeat for repeat in of_heads if isinstance(repeat, int)]
    if len(numbers) < len(of_heads):
        raise TypeError(f"expected a resolved configuration, got repeats of heads {of_heads}")
    return np.array(numbers)[train.heads] if max(numbers, default=1) > 1 else None


def _ignore_signals(worker: int) -> None:
    """Terminals and batch systems send their signals to all processes; it is the main one that ends its workers."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_workers() -> None:
    """End the workers that are left at the end of the program, which would ignore Python's signal and be waited for."""
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


atexit.register(_end_workers)


def _processes() -> tuple[int, int]:
    """How many processes train together, and which of them this is."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_world_size(), torch.distributed.get_rank()
    return 1, 0
