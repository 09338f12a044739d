"""Metrics of one optimizer step, which are recorded every N steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

PROPERTIES = ("energy", "forces", "stress")


@dataclass(frozen=True)
class StepFigures:
    """Metrics of one optimizer step over all processes."""

    epoch: float
    """Epochs trained including this step; fractional within an epoch."""
    step: int
    """Number of the step, counted from 1."""
    learning_rate: float
    loss_terms: dict[str, float]
    """Contribution of each property to the loss of the step's batch."""
    gradient_norm: float
    """Norm of the full gradient before clipping."""
    frames: int
    """Frames trained by all processes since they started."""

    @property
    def loss(self) -> float:
        """Loss of the step's batch."""
        return sum(self.loss_terms.values())


class RecentParts:
    """Mean loss terms over the batches of this process since the last validation or the start."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._steps = 0

    def add(self, parts: Tensor) -> None:
        """Add the loss terms [3] of a step. Nothing is copied from the device."""
        self._sum = parts if self._sum is None else self._sum + parts
        self._steps += 1

    def clear(self) -> None:
        """Reset the means."""
        self._sum, self._steps = None, 0

    def mean(self) -> dict[str, float]:
        """Return the means by property; empty before the first step. Waits for the device."""
        if self._sum is None:
            return {}
        return dict(zip(PROPERTIES, (self._sum / self._steps).tolist(), strict=True))
