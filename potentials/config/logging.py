"""The `logging` section: CSV is always written; Weights & Biases, TensorBoard and MLflow when asked."""

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


class MLflowConfig(StrictConfig):
    """Log to MLflow."""

    tracking_uri: str | None = None
    """A server or a database (`sqlite:///mlflow.db`); `MLFLOW_TRACKING_URI` or MLflow's default if not given."""
    experiment: str = "potentials"
    """What the runs of one subject are collected under."""


class LoggingConfig(StrictConfig):
    """What is written while training."""

    every_steps: PositiveInteger = 50
    """Optimizer steps from one row of `steps.csv` to the next."""
    wandb: WandbConfig | None = None
    tensorboard: bool = False
    """Write the folder `tensorboard` of the run, which `tensorboard --logdir runs` shows."""
    mlflow: MLflowConfig | None = None
    report: bool | Literal["quick"] = True
    """Whether a finished run gets a `report.html`; `quick` leaves out what simulates."""
