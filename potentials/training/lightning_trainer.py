"""Construction of Lightning's trainer and loggers for a run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from potentials.config.run import RunConfig
from potentials.config.train import TrainConfig
from potentials.errors import TrainingError
from potentials.training.lifecycle.checkpoints import CheckpointFiles, RunCheckpoint
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.run_folder import RunFolder
from potentials.training.lifecycle.stopping import StopRequests
from potentials.training.loggers.figures import RunRecord
from potentials.training.loggers.progress import ProgressDisplay


def build_loggers(config: RunConfig, folder: RunFolder, journal: Journal, run_id: str) -> list[Logger]:
    """Build the Lightning loggers selected in `logging`.

    Args:
        config: configuration of the run.
        folder: folder of the run.
        journal: receives the address where the run can be viewed.
        run_id: identifier of the run, the same when it is continued.

    Raises:
        TrainingError: the package of a logger is not installed, or its server or folder cannot be used.
    """
    # Imported here, because each import takes longer than reading most data sets.
    section = config.logging
    loggers: list[Logger] = []
    if section.wandb is not None:
        from potentials.training.loggers.weights_and_biases import wandb_logger

        loggers.append(wandb_logger(config, section.wandb, folder.path, run_id, journal))
    if section.tensorboard:
        from potentials.training.loggers.tensorboard_logger import RunTensorBoardLogger

        loggers.append(RunTensorBoardLogger(folder.path))
    if section.mlflow is not None:
        from potentials.training.loggers.mlflow_logger import mlflow_logger

        loggers.append(mlflow_logger(config, section.mlflow, folder.path, run_id, journal))
    return loggers


def build_trainer(config: RunConfig, folder: RunFolder, journal: Journal, stop: StopRequests, run_id: str) -> Trainer:
    """Build Lightning's trainer for a run.

    Raises:
        TrainingError: the requested devices or strategy are not available.
    """
    settings = config.train
    seconds = lambda: stop.elapsed  # noqa: E731
    callbacks: list[Callback] = [
        stop,
        ProgressDisplay(journal, settings.max_epochs, settings.max_time, seconds),
        RunRecord(folder.metrics, folder.steps, config.logging.every_steps, config.data.heads, seconds),
        RunCheckpoint(folder.checkpoint, stop),
    ]
    try:
        return Trainer(
            callbacks=callbacks,
            logger=build_loggers(config, folder, journal, run_id),
            max_epochs=settings.max_epochs,
            check_val_every_n_epoch=settings.validate_every,
            gradient_clip_val=settings.gradient_clip,
            gradient_clip_algorithm="norm",
            deterministic="warn",
            inference_mode=False,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=folder.path,
            **_devices(settings),
        )
    except (MisconfigurationException, ValueError) as error:
        raise TrainingError(f"train.accelerator, devices, nodes, strategy: {error}") from error


def _devices(settings: TrainConfig) -> dict[str, Any]:
    """Return Lightning's options for devices and strategy."""
    has_gpu = torch.cuda.is_available()
    if settings.accelerator == "gpu" and not has_gpu:
        raise TrainingError("train.accelerator is gpu, but PyTorch finds no GPU; run `potentials doctor`")
    accelerator = settings.accelerator
    if accelerator == "auto":
        # Lightning's `auto` would select Apple's GPU, which has no float64; energies require it.
        accelerator = "gpu" if has_gpu else "cpu"
    devices = 1 if settings.devices == "auto" and accelerator == "cpu" else settings.devices
    # `StopRequests` handles the signals of batch systems.
    slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": settings.nodes,
        "strategy": settings.strategy,
        "plugins": [CheckpointFiles(), *slurm],
    }


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's tips, advertisements and warnings about worker processes; errors are still raised."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.filterwarnings("ignore", message=".*deterministic", category=UserWarning)
        # Caused by gradients of matrices with a single row in several processes; harmless.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides", category=UserWarning)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def restored_determinism() -> Iterator[None]:
    """Restore torch's determinism settings afterwards, which Lightning changes permanently."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    if not enabled:
        # Filling new memory costs time at every step. Tests fill it, to detect reads of uninitialized memory.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
