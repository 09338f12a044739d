"""Stages of training, each with its own loss."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.config.loss import LossConfig
from potentials.config.run import RunConfig


@dataclass(frozen=True)
class Stage:
    """A range of epochs with its own loss."""

    first_epoch: int
    """Number of epochs before the stage starts."""
    loss: LossConfig
    learning_rate: float | None = None
    """Constant learning rate of the stage; `None` keeps the schedule."""

    @property
    def needs_forces(self) -> bool:
        """Whether the loss includes forces."""
        return self.loss.forces.weight > 0

    @property
    def needs_stress(self) -> bool:
        """Whether the loss includes stresses."""
        return self.loss.stress.weight > 0


def stages(config: RunConfig) -> list[Stage]:
    """Return one stage, or two if `train.second_stage` is set."""
    first = Stage(0, config.loss)
    second = config.train.second_stage
    if second is None:
        return [first]
    start = second.start if isinstance(second.start, int) else round(second.start * config.train.max_epochs)
    return [first, Stage(max(start, 1), second.loss, second.learning_rate)]
