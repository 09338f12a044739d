"""The `logging` section: CSV files are always written; Weights & Biases, TensorBoard and MLflow are optional."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from potentials.config.base import PositiveInteger, StrictConfig


class WandbConfig(StrictConfig):
    """Log to Weights & Biases."""

    project: str = "potentials"
    """Project that the run belongs to."""
    entity: str | None = None
    """User or team; by default that of the login."""
    tags: list[str] = Field(default=[])
    """Tags of the run."""
    mode: Literal["auto", "online", "offline"] = "auto"
    """`auto` is online if you are logged in (`wandb login`) and offline otherwise."""


class MLflowConfig(StrictConfig):
    """Log to MLflow."""

    tracking_uri: str | None = None
    """Server or database (`sqlite:///mlflow.db`); by default `MLFLOW_TRACKING_URI` or MLflow's default."""
    experiment: str = "potentials"
    """Experiment that the run belongs to."""


class LoggingConfig(StrictConfig):
    """Logs and reports of training."""

    every_steps: PositiveInteger = 50
    """Write a row of `steps.csv` every N optimizer steps."""
    wandb: WandbConfig | None = None
    tensorboard: bool = False
    """Write TensorBoard files to the folder of the run; `tensorboard --logdir runs` shows them."""
    mlflow: MLflowConfig | None = None
    report: bool | Literal["quick"] = True
    """Write `report.html` at the end of training; `quick` skips sections that run simulations."""
