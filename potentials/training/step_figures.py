"""What one optimiser step was like, as it is written down every so many steps."""

from __future__ import annotations

from dataclasses import dataclass

PROPERTIES = ("energy", "forces", "stress")


@dataclass(frozen=True)
class StepFigures:
    """What one optimiser step was like, over all processes."""

    epoch: float
    """Epochs trained with it; not whole within an epoch."""
    step: int
    """Its number, from one."""
    learning_rate: float
    loss_parts: dict[str, float]
    """What each property contributed to the loss of the step's batch."""
    gradient_norm: float
    """Of the whole gradient, before it was limited."""
    frames: int
    """Trained on by all processes since they started."""

    @property
    def loss(self) -> float:
        """Of the step's batch."""
        return sum(self.loss_parts.values())
