"""The stages of training: which loss counts in which epochs."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.config.loss import LossConfig
from potentials.config.run import RunConfig


@dataclass(frozen=True)
class Stage:
    """A part of training with its own loss."""

    first_epoch: int
    """Epochs done before it starts."""
    loss: LossConfig
    learning_rate: float | None = None
    """Kept constant from its start; `None` leaves the schedule alone."""

    @property
    def needs_forces(self) -> bool:
        """Whether its loss sees forces."""
        return self.loss.forces.weight > 0

    @property
    def needs_stress(self) -> bool:
        """Whether its loss sees stresses."""
        return self.loss.stress.weight > 0


def stages(config: RunConfig) -> list[Stage]:
    """One stage, or two where `train.second_stage` is given."""
    first = Stage(0, config.loss)
    second = config.train.second_stage
    if second is None:
        return [first]
    start = second.start if isinstance(second.start, int) else round(second.start * config.train.max_epochs)
    return [first, Stage(max(start, 1), second.loss, second.learning_rate)]
