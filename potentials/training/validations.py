"""Results of validations, and the best model so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from potentials.evaluation.metrics import PropertyErrors


@dataclass(frozen=True)
class Validation:
    """Results of one validation."""

    epoch: float
    """Epochs trained so far; fractional if training was stopped within an epoch."""
    step: int
    """Optimizer steps so far."""
    stage: int
    learning_rate: float
    training_loss: float
    """Mean over the steps since the last validation, with the weights of each step."""
    loss: float
    """Loss over all validation frames, with the loss of the current stage and the averaged weights."""
    errors: PropertyErrors
    is_best: bool
    errors_of_heads: dict[str, PropertyErrors] = field(default_factory=dict)
    """Errors on the frames of each head, if there are several."""


@dataclass(frozen=True)
class Best:
    """The best model so far."""

    epoch: float
    errors: PropertyErrors
    losses: list[float]
    """Validation loss of the model for the loss of each stage.

    Models of all stages are compared by the loss of the current stage, so the best model is kept when the stage
    changes.
    """

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Best:
        """Build the object from a dictionary; the inverse of `dataclasses.asdict`."""
        return cls(data["epoch"], PropertyErrors.from_dict(data["errors"]), data["losses"])

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Best:
        """Build the object from the header of the file of the best model."""
        errors = PropertyErrors.from_dict(metadata["validation_errors"])
        return cls(metadata["epoch"], errors, metadata["validation_losses"])
