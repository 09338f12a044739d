"""What to say when a device has not enough memory for a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from potentials.config.data import DataConfig
from potentials.data.batch import LIMIT_KEYS, training_limit
from potentials.data.graph import GraphBatch
from potentials.errors import TrainingError


@dataclass(frozen=True)
class BatchSize:
    """How large a batch is."""

    frames: int
    atoms: int
    edges: int

    def __str__(self) -> str:
        return f"{self.frames} frames, {self.atoms} atoms, {self.edges} edges"


class BatchRecord:
    """Remembers the batch at hand and the largest that fitted, by edges, which memory grows with."""

    def __init__(self) -> None:
        self.present: BatchSize | None = None
        self.validating = False
        self._largest: dict[bool, BatchSize] = {}

    def begin(self, batch: GraphBatch, *, validating: bool) -> None:
        """A batch is about to be computed."""
        self.present = BatchSize(int(batch.num_graphs), int(batch.num_nodes), int(batch.edge_index.shape[1]))
        self.validating = validating

    def fitted(self) -> None:
        """It was."""
        largest = self._largest.get(self.validating)
        if self.present is not None and (largest is None or self.present.edges > largest.edges):
            self._largest[self.validating] = self.present

    @property
    def largest(self) -> BatchSize | None:
        """The largest of its kind that fitted."""
        return self._largest.get(self.validating)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch says that a device has no memory left; of the CPU torch says so in words only."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def out_of_memory(error: BaseException, record: BatchRecord, data: DataConfig) -> TrainingError:
    """The error for the user: which batch, how large, and the setting that would fit."""
    size = record.present
    if size is None:
        return TrainingError(f"not enough device memory for the model: {_first_line(error)}")
    doing = "validating" if record.validating else "training on"
    fitted = record.largest
    edges = size.edges // 2 if fitted is None or fitted.edges >= size.edges else fitted.edges
    if fitted is None:
        known = "no batch has fit in memory yet"
    elif fitted.edges >= size.edges:
        known = f"a batch of {fitted} fit before, so another process may be using the memory"
    else:
        known = f"the largest batch that fit had {fitted}"
    return TrainingError(
        f"not enough device memory for {doing} a batch of {size}; {known}. "
        f"{_advice(size, edges, record, data)} ({_first_line(error)})"
    )


def _advice(size: BatchSize, edges: int, record: BatchRecord, data: DataConfig) -> str:
    frames = max(1, size.frames * edges // max(size.edges, 1))
    if record.validating:
        return f"Set data.evaluation_batch_size: {frames}; this may be changed when continuing the run"
    if size.frames == 1:
        return "The batch is a single frame: use a smaller cutoff, a smaller model or a device with more memory"
    limit = training_limit(data)
    fitting = {
        "frames": min(frames, size.frames - 1),
        "atoms": size.atoms * edges // max(size.edges, 1),
        "edges": edges,
    }
    return f"Set {LIMIT_KEYS[limit.quantity]}: {fitting[limit.quantity]} and start the run under another name"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:300]
