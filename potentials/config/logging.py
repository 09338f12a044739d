"""The `logging` section: CSV is always written; Weights & Biases when asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import PositiveInteger, StrictConfig


class WandbConfig(StrictConfig):
    """Log to Weights & Biases."""

    project: str = "potentials"
    """What the runs of one subject are collected under."""
    entity: str | None = None
    """User or team; that of the login if not given."""
    tags: list[str] = Field(default=[])
    """To find runs by."""
    mode: Literal["auto", "online", "offline"] = "auto"
    """`auto` is online where `wandb login` was done and offline otherwise."""


class LoggingConfig(StrictConfig):
    """What is written while training."""

    every_steps: PositiveInteger = 50
    """Optimiser steps between logged training losses."""
    wandb: WandbConfig | None = None
