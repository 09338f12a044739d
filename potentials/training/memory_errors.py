"""Error messages for batches that do not fit in device memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from potentials.config.data import DataConfig
from potentials.data.batch import LIMIT_KEYS, training_limit
from potentials.data.graph import GraphBatch
from potentials.errors import TrainingError


@dataclass(frozen=True)
class BatchSize:
    """Size of a batch."""

    frames: int
    atoms: int
    edges: int

    def __str__(self) -> str:
        return f"{self.frames} frames, {self.atoms} atoms, {self.edges} edges"


class BatchRecord:
    """Records the current batch and the largest batch that fitted, by the number of edges, which sets the memory."""

    def __init__(self) -> None:
        self.present: BatchSize | None = None
        self.validating = False
        self._largest: dict[bool, BatchSize] = {}

    def begin(self, batch: GraphBatch, *, validating: bool) -> None:
        """Record a batch before it is computed."""
        self.present = BatchSize(int(batch.num_graphs), int(batch.num_nodes), int(batch.edge_index.shape[1]))
        self.validating = validating

    def fitted(self) -> None:
        """Record that the current batch fitted."""
        largest = self._largest.get(self.validating)
        if self.present is not None and (largest is None or self.present.edges > largest.edges):
            self._largest[self.validating] = self.present

    @property
    def largest(self) -> BatchSize | None:
        """The largest batch of the current type (training or validation) that fitted."""
        return self._largest.get(self.validating)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a torch error means that a device is out of memory; on the CPU only the message shows this."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def out_of_memory(error: BaseException, record: BatchRecord, data: DataConfig) -> TrainingError:
    """Build the error for the user: the batch, its size, and a setting that would fit."""
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
