"""The whole configuration of a run."""

from __future__ import annotations

from pydantic import Field, SerializeAsAny

from potentials.config.base import NonNegativeInteger, StrictConfig
from potentials.config.data import DataConfig
from potentials.config.families import FamilyConfig
from potentials.config.logging import LoggingConfig
from potentials.config.loss import LossConfig
from potentials.config.train import TrainConfig


class RunConfig(StrictConfig):
    """One training run: everything that decides its result."""

    run: str = Field(min_length=1)
    """Name of the run, made under `runs/`; or a folder, when it contains a slash."""
    seed: NonNegativeInteger = 1
    data: DataConfig
    model: SerializeAsAny[FamilyConfig]
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    logging: LoggingConfig = LoggingConfig()
