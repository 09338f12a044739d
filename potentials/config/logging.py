"""The `logging` section: CSV is always written; Weights & Biases when asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import PositiveInteger, StrictConfig


class WandbConfig(StrictConfig):
    """Log to Weights & Biases."""

    project: str = "potentials"
    entity: str | None = None
    tags: list[str] = Field(default=[])
    mode: Literal["auto", "online", "offline"] = "auto"
    """`auto` is online where `wandb login` was done and offline otherwise."""


class LoggingConfig(StrictConfig):
    """What is written while training."""

    every_steps: PositiveInteger = 50
    """Optimiser steps between logged training losses."""
    wandb: WandbConfig | None = None
    report: bool | Literal["quick"] = True
    """Whether a finished run gets a `report.html`; `quick` leaves out what simulates."""
