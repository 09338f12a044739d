"""The Lightning data module: graphs built once, batches in an order that depends on seed and epoch only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from potentials.data.batch_limits import BatchLimit, evaluation_limit, training_limit
from potentials.data.graph import AtomicGraph, collate
from potentials.data.labels import LabelledFrame
from potentials.data.part_facts import graphs_of
from potentials.data.prepare import PreparedData
from potentials.data.samplers import EvaluationBatches, training_batches


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
        test_names: names of the test loaders, in their order.
        training_limit, evaluation_limit: what a batch may hold.
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
        self.training_limit = training_limit(prepared.config.data)
        self.evaluation_limit = evaluation_limit(prepared.config.data)
        self._check_limits()

    def train_dataloader(self) -> DataLoader[AtomicGraph]:
        """Batches of training frames, drawn anew in each epoch (see `TrainingBatches`)."""
        config = self.prepared.config
        sampler = training_batches(self.train_graphs, self.training_limit, config.seed, *_processes())
        if self.trainer is not None:
            # A continued run starts its worker processes, which draw batches ahead, before Lightning sets the epoch.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return self._loader(self.train_graphs, sampler)

    def val_dataloader(self) -> DataLoader[AtomicGraph]:
        """Validation frames in order."""
        return self._evaluation_loader(self.validation_graphs)

    def test_dataloader(self) -> list[DataLoader[AtomicGraph]]:
        """One loader for each test set, in the order of `test_names`."""
        return [self._evaluation_loader(graphs) for graphs in self.test_graphs.values()]

    def _check_limits(self) -> None:
        def check(limit: BatchLimit, graphs: Sequence[AtomicGraph], frames: Sequence[LabelledFrame]) -> None:
            limit.check(graphs, lambda index: str(frames[index].frame))

        check(self.training_limit, self.train_graphs, self.prepared.train)
        check(self.evaluation_limit, self.validation_graphs, self.prepared.validation)
        for name, graphs in self.test_graphs.items():
            check(self.evaluation_limit, graphs, self.prepared.tests[name])

    def _build(self, frames: Sequence[LabelledFrame]) -> Sequence[AtomicGraph]:
        return graphs_of(frames, self.elements, self.cutoff, self.groups)

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
