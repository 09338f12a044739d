"""What a validation found, and the best model so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from potentials.evaluation.metrics import PropertyErrors


@dataclass(frozen=True)
class Validation:
    """What one validation found."""

    epoch: float
    """Epochs trained so far; not whole when training was stopped within one."""
    step: int
    """Optimizer steps so far."""
    stage: int
    learning_rate: float
    training_loss: float
    """Mean over the steps since the last validation, with the weights as they were at each."""
    loss: float
    """Over all validation frames, with the loss of the present stage and the averaged weights."""
    errors: PropertyErrors
    is_best: bool


@dataclass(frozen=True)
class Best:
    """The best model so far."""

    epoch: float
    errors: PropertyErrors
    losses: list[float]
    """Its validation loss as each stage weighs it.

    That is why a change of stage needs no new start of the comparison: models of both stages are compared by the loss
    of the present one, which is the only one whose figures mean anything by then.
    """

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Best:
        """The inverse of `dataclasses.asdict`."""
        return cls(data["epoch"], PropertyErrors.from_dict(data["errors"]), data["losses"])

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Best:
        """What the header of the best model's file says of it."""
        errors = PropertyErrors.from_dict(metadata["validation_errors"])
        return cls(metadata["epoch"], errors, metadata["validation_losses"])
