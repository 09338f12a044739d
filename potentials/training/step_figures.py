"""What one optimizer step was like, as it is written down every so many steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

PROPERTIES = ("energy", "forces", "stress")


@dataclass(frozen=True)
class StepFigures:
    """What one optimizer step was like, over all processes."""

    epoch: float
    """Epochs trained with it; not whole within an epoch."""
    step: int
    """Its number, from one."""
    learning_rate: float
    loss_terms: dict[str, float]
    """What each property contributed to the loss of the step's batch."""
    gradient_norm: float
    """Of the whole gradient, before it was limited."""
    frames: int
    """Trained on by all processes since they started."""

    @property
    def loss(self) -> float:
        """Of the step's batch."""
        return sum(self.loss_terms.values())


class RecentParts:
    """Mean parts of the loss since the last validation, or since this start; by this process' batches only."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._steps = 0

    def add(self, parts: Tensor) -> None:
        """Count the parts [3] of a step. Nothing is copied from the device."""
        self._sum = parts if self._sum is None else self._sum + parts
        self._steps += 1

    def clear(self) -> None:
        """Begin anew."""
        self._sum, self._steps = None, 0

    def mean(self) -> dict[str, float]:
        """By property; empty before the first step. This waits for the device."""
        if self._sum is None:
            return {}
        return dict(zip(PROPERTIES, (self._sum / self._steps).tolist(), strict=True))
