"""Batches: their size limits, and the frames of each batch, epoch and process."""

from potentials.data.batch.batch_limits import (
    LIMIT_KEYS,
    BatchLimit,
    batches,
    consecutive,
    evaluation_limit,
    training_limit,
)
from potentials.data.batch.samplers import (
    CountedBatches,
    EvaluationBatches,
    PackedBatches,
    TrainingBatches,
    training_batches,
)

__all__ = [
    "LIMIT_KEYS",
    "BatchLimit",
    "CountedBatches",
    "EvaluationBatches",
    "PackedBatches",
    "TrainingBatches",
    "batches",
    "consecutive",
    "evaluation_limit",
    "training_batches",
    "training_limit",
]
