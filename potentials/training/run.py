"""A whole training run: data, model, training, the table of errors at the end, and the folder that holds it all."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from lightning import Callback, Trainer, seed_everything
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from potentials import model_file
from potentials.config.data_paths import resolve_data_paths
from potentials.config.run import RunConfig
from potentials.config.train import TrainConfig
from potentials.data.module import GraphDataModule
from potentials.data.part_facts import sampled_graphs
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import TrainingError
from potentials.kernels.dispatch import use_kernels
from potentials.potential import Potential
from potentials.training.checkpoints import RunCheckpoint
from potentials.training.error_table import UNITS, ErrorTable
from potentials.training.evaluation import evaluate_graphs
from potentials.training.journal import Journal
from potentials.training.linear_fit import fit, unused_settings
from potentials.training.loggers import LoggerFeed, MetricsFile, log_row, metrics_row
from potentials.training.module import TrainingModule
from potentials.training.progress import ProgressLine
from potentials.training.run_folder import Reason, RunFolder, Status, is_finished
from potentials.training.stopping import StopRequests


@dataclass(frozen=True)
class TrainingResult:
    """What came out of a run."""

    folder: Path
    best: Path
    """The model file."""
    table: ErrorTable | None
    """Errors of the best model on all parts of the data; `None` when the run was interrupted."""
    reason: Reason
    """Why training stopped."""
    was_finished: bool = False
    """Whether there was nothing left to do."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted and can be continued."""
        return self.reason == "interrupted"


def train(config: RunConfig, *, progress: bool = True) -> TrainingResult:
    """Train a potential, or go on with a run that was cut off, and evaluate the best model.

    Everything goes into the run's folder (see `RunFolder`). A run continues from its last complete epoch, and ends
    with the same bits as if it had not been interrupted. A finished run is not trained again; its table is shown.

    Args:
        config: as loaded; what is `auto` is resolved here.
        progress: whether to tell the terminal what happens; `log.txt` is told anyway.

    Raises:
        DataError: something is wrong with the data.
        TrainingError: the run cannot be continued with this configuration, the devices are not there, or the loss
            became infinite or NaN.
    """
    # For configurations made in Python; those that were loaded name their files absolutely already.
    config = config.model_copy(update={"data": resolve_data_paths(config.data, Path.cwd())})
    is_first_process = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    prepared = prepare(config, Journal(None, progress and is_first_process).say)
    folder = RunFolder(config.run)
    folder.create()
    with folder.lock() if is_first_process else nullcontext(), use_kernels(config.train.kernels):
        return _train(prepared, folder, progress, is_first_process)


def _train(prepared: PreparedData, folder: RunFolder, progress: bool, is_first_process: bool) -> TrainingResult:
    journal = Journal(folder.log if is_first_process else None, progress and is_first_process)
    status = folder.status()
    if folder.holds_a_run:
        continued = folder.continued_config(prepared.config, prepared.fingerprint)
        prepared = replace(prepared, config=continued.config)
        if is_finished(status, prepared.config):
            return _show_finished(folder, status, journal)
        for text in continued.remarks:
            journal.note(text)
    if not folder.checkpoint.is_file() and is_first_process:
        folder.forget()
        status = Status()
    status = replace(status, state="running", fingerprint=prepared.fingerprint, wandb_id=status.wandb_id or uuid4().hex)
    if is_first_process:
        folder.write_config(prepared.config)
        folder.write_json(folder.splits, prepared.splits)
        folder.write_status(status)
    for note in prepared.notes:
        journal.note(note)
    for warning in prepared.warnings:
        journal.warn(warning)
    run = _fit_and_evaluate if prepared.config.model.closed_form else _train_and_evaluate
    return run(prepared, folder, journal, status)


def _fit_and_evaluate(prepared: PreparedData, folder: RunFolder, journal: Journal, status: Status) -> TrainingResult:
    """What `_train_and_evaluate` does, for a family that is fitted in closed form, on the CPU."""
    config = prepared.config
    potential = Potential(config.model, prepared.reference_energies, config.train.precision)
    data = GraphDataModule(prepared, potential.elements, potential.cutoff)
    metadata = {"training_data": prepared.fingerprint, "config": config.model_dump(mode="json")}
    unused = unused_settings(config)
    if unused:
        journal.note(f"{config.model.name} is fitted in closed form: {', '.join(unused)} have no part in it")
    journal.say(_announcement(potential, data, folder, "cpu"))
    start = time.monotonic()
    try:
        validation = fit(potential, config, data, folder.best, metadata, journal.say)
    except KeyboardInterrupt:
        folder.write_status(replace(status, state="interrupted", reason="interrupted"))
        journal.say("interrupted before the fit was complete; the same command starts anew")
        return TrainingResult(folder.path, folder.best, None, "interrupted")
    elapsed = time.monotonic() - start
    row = metrics_row(validation, elapsed)
    MetricsFile(folder.metrics, lambda: elapsed).append(row)
    for logger in _loggers(config, folder, journal, status.wandb_id or ""):
        log_row(logger, row, step=validation.step)
        logger.finalize("success")
    status = replace(status, epoch=validation.epoch, elapsed=elapsed, reason="fitted")
    return _conclude(prepared, data, folder, journal, status, torch.device("cpu"))


def _train_and_evaluate(prepared: PreparedData, folder: RunFolder, journal: Journal, status: Status) -> TrainingResult:
    config = prepared.config
    with _quiet_lightning(), _restored_determinism():
        seed_everything(config.seed, workers=True, verbose=False)
        potential = Potential(config.model, prepared.reference_energies, config.train.precision)
        data = GraphDataModule(prepared, potential.elements, potential.cutoff)
        metadata = {"training_data": prepared.fingerprint, "config": config.model_dump(mode="json")}
        module = TrainingModule(potential, config, folder.best, metadata, len(data.groups), journal.say)
        stop = StopRequests(config.train.max_time)
        trainer = _trainer(config, folder, journal, stop, status.wandb_id or "")
        _announce(potential, data, trainer, folder, journal)
        checkpoint = folder.checkpoint if folder.checkpoint.is_file() else None
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        reason = _reason(module, stop)
        status = replace(status, epoch=module.epochs_trained, elapsed=stop.elapsed)
        if not trainer.is_global_zero:
            return TrainingResult(folder.path, folder.best, None, reason)
        status = replace(status, reason=reason)
        return _conclude(prepared, data, folder, journal, status, trainer.strategy.root_device)


def _conclude(
    prepared: PreparedData,
    data: GraphDataModule,
    folder: RunFolder,
    journal: Journal,
    status: Status,
    device: torch.device,
) -> TrainingResult:
    """Evaluate the best model, and tell what there is."""
    if status.reason == "interrupted":
        folder.write_status(replace(status, state="interrupted"))
        again = "continues after the last complete epoch" if folder.checkpoint.is_file() else "starts anew"
        journal.say(
            f"interrupted after {status.epoch:.4g} epochs; the best model so far is {folder.best}. "
            f"The same command again {again}"
        )
        return TrainingResult(folder.path, folder.best, None, status.reason)
    journal.say(f"finished: {_REASONS[status.reason]}; evaluating the best model")
    table = _evaluate_best(prepared, data, folder, device)
    folder.write_json(folder.errors, table.to_json())
    folder.write_status(replace(status, state="finished"))
    _show(folder, table, journal)
    return TrainingResult(folder.path, folder.best, table, status.reason)


_REASONS: dict[Reason, str] = {
    "max_epochs": "all epochs are done",
    "max_time": "the time is over",
    "early_stopping": "the validation loss improves no more",
    "fitted": "the coefficients are those of the smallest loss",
}


def _reason(module: TrainingModule, stop: StopRequests) -> Reason:
    if module.epochs_trained >= module.config.train.max_epochs:
        return "max_epochs"
    if module.stopped_early:
        return "early_stopping"
    return "max_time" if stop.time_is_over and not stop.interrupted else "interrupted"


def _evaluate_best(
    prepared: PreparedData, data: GraphDataModule, folder: RunFolder, device: torch.device
) -> ErrorTable:
    best = model_file.load(folder.best, device)
    train = sampled_graphs(data.train_graphs, prepared.config.seed)
    parts = {"train": train, "validation": data.validation_graphs, **data.test_graphs}
    found = [
        evaluate_graphs(best, graphs, limit=data.evaluation_limit, part=part, groups=data.groups).errors
        for part, graphs in parts.items()
    ]
    if len(train) < len(data.train_graphs):
        found[0] = replace(found[0], sample_of=len(data.train_graphs))
    return ErrorTable(found)


def _show_finished(folder: RunFolder, status: Status, journal: Journal) -> TrainingResult:
    further = f", {status.epoch:.4g} epochs). To train it further, raise train.max_epochs or train.max_time; to train"
    if status.reason == "fitted":
        further = "). To fit"
    journal.say(f"{folder.path} is finished ({_REASONS[status.reason]}{further} anew, give the run another name")
    table = ErrorTable.from_json(json.loads(folder.errors.read_text()))
    _show(folder, table, journal)
    return TrainingResult(folder.path, folder.best, table, status.reason, was_finished=True)


def _show(folder: RunFolder, table: ErrorTable, journal: Journal) -> None:
    epoch = model_file.read_header(folder.best)["metadata"].get("epoch")
    model = "the model" if epoch is None else f"the best model (epoch {epoch:.4g})"
    journal.result(f"errors of {model}; {UNITS}\n{table.text()}")
    for name, file in (("model", folder.best), ("errors", folder.errors), ("course", folder.metrics)):
        journal.result(f"{name:8}{file}")


def _announce(
    potential: Potential, data: GraphDataModule, trainer: Trainer, folder: RunFolder, journal: Journal
) -> None:
    processes = f" x {trainer.world_size}" if trainer.world_size > 1 else ""
    journal.say(_announcement(potential, data, folder, f"{trainer.strategy.root_device}{processes}"))
    if folder.checkpoint.is_file():
        journal.say(f"continuing from {folder.checkpoint}")


def _announcement(potential: Potential, data: GraphDataModule, folder: RunFolder, devices: str) -> str:
    doing = "fitting" if potential.config.closed_form else "training"
    frames = f"{len(data.train_graphs)} frames, {len(data.validation_graphs)} for validation"
    return (
        f"{doing} {potential.config.name} with {potential.num_parameters()} parameters ({potential.precision}) on "
        f"{devices}: {frames}; folder {folder.path}"
    )


def _loggers(config: RunConfig, folder: RunFolder, journal: Journal, wandb_id: str) -> list[Logger]:
    if config.logging.wandb is None:
        return []
    # Here, as importing wandb takes longer than reading most data.
    from potentials.training.weights_and_biases import wandb_logger

    return [wandb_logger(config, config.logging.wandb, folder.path, wandb_id, journal)]


def _trainer(config: RunConfig, folder: RunFolder, journal: Journal, stop: StopRequests, wandb_id: str) -> Trainer:
    settings = config.train
    seconds = lambda: stop.elapsed  # noqa: E731
    callbacks: list[Callback] = [
        stop,
        ProgressLine(journal, settings.max_epochs, settings.max_time, seconds),
        MetricsFile(folder.metrics, seconds),
        RunCheckpoint(folder.checkpoint),
    ]
    loggers = _loggers(config, folder, journal, wandb_id)
    if loggers:
        callbacks.append(LoggerFeed(config.logging.every_steps, seconds))
    try:
        return Trainer(
            callbacks=callbacks,
            logger=loggers,
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
    """Lightning's options for where to compute."""
    has_gpu = torch.cuda.is_available()
    if settings.accelerator == "gpu" and not has_gpu:
        raise TrainingError(
            "train.accelerator is gpu, but torch sees no CUDA or ROCm device here; see `potentials doctor`"
        )
    accelerator = settings.accelerator
    if accelerator == "auto":
        # Not Lightning's own auto, which would take Apple's GPU; that has no float64, and energies need it.
        accelerator = "gpu" if has_gpu else "cpu"
    devices = 1 if settings.devices == "auto" and accelerator == "cpu" else settings.devices
    # Lightning would answer a batch system's signal with a checkpoint within an epoch, which continues inexactly.
    plugins = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    return {
        "accelerator": accelerator,
        "devices": devices,
        "num_nodes": settings.nodes,
        "strategy": settings.strategy,
        "plugins": plugins,
    }


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No tips, no advertisements, no remarks on worker processes; errors come as exceptions."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.filterwarnings("ignore", message=".*deterministic", category=UserWarning)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


@contextmanager
def _restored_determinism() -> Iterator[None]:
    """Lightning makes torch deterministic for good; put it back afterwards."""
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    if not enabled:
        # Filling all new memory costs time at every step. Tests have it filled, so that nothing unwritten is read.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
