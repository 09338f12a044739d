"""A complete training run: data, model, training, the error table, and the run folder."""

from __future__ import annotations

import errno
import json
import textwrap
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.loggers import Logger

from potentials.config.loading import load_config, with_absolute_paths
from potentials.config.messages.descriptions import counted
from potentials.config.run import RunConfig
from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData, prepare
from potentials.errors import TrainingError
from potentials.evaluation.error_table import UNITS, ErrorTable
from potentials.evaluation.labeled_predictions import evaluate_graphs
from potentials.kernels.dispatch import use_kernels
from potentials.potential import Potential, model_file
from potentials.row_files import RowFile
from potentials.training.fine_tuning.elastic import elastic_penalty
from potentials.training.fine_tuning.replay import with_replay
from potentials.training.fine_tuning.starting import initial_potential, starting_baseline
from potentials.training.lifecycle.checkpoints import usable_checkpoint
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.processes import ending_together, is_first_process
from potentials.training.lifecycle.run_folder import Reason, RunFolder, Status, is_finished
from potentials.training.lifecycle.stopping import Interruption, StopRequests
from potentials.training.lightning_trainer import (
    build_loggers,
    build_trainer,
    quiet_lightning,
    restored_determinism,
)
from potentials.training.linear.linear_fit import fit, unused_settings
from potentials.training.loggers.figures import METRICS_COLUMNS, log_validation, metrics_row
from potentials.training.loggers.results import ResultsLogger, RunResults, closing
from potentials.training.memory_errors import is_out_of_memory, out_of_memory
from potentials.training.module import TrainingModule
from potentials.training.step_guard import StepGuard
from potentials.training.validations import Best


@dataclass(frozen=True)
class TrainingResult:
    """Result of a run."""

    folder: Path
    best: Path
    """File of the best model."""
    table: ErrorTable | None
    """Errors of the best model on all splits; `None` if the run was interrupted."""
    reason: Reason
    """Reason why training stopped."""
    was_finished: bool = False
    """Whether the run was already finished."""
    signal: Signals | None = None
    """Signal that interrupted the run, if any."""

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted and can be continued."""
        return self.reason == "interrupted"


def train(config: RunConfig, *, progress: bool = True) -> TrainingResult:
    """Train a potential or continue a run, and evaluate the best model.

    All output is written to the run folder (see `RunFolder`). A run continues from its last checkpoint, with a
    result bitwise identical to that of an uninterrupted run. For a finished run, only the error table is printed.

    Args:
        config: configuration as loaded; `auto` values are resolved.
        progress: whether to print messages to the terminal; `log.txt` is always written.

    Raises:
        DataError: the data cannot be used.
        TrainingError: the run cannot be continued with this configuration or from its checkpoints, the devices are not
            available, a file cannot be written, the device is out of memory, or the loss became infinite or NaN.
    """
    # For configurations created in Python; loaded configurations already have absolute paths.
    config = with_absolute_paths(config, Path.cwd())
    stop = StopRequests(config.train.max_time, config.train.checkpoint_interval)
    folder = RunFolder(config.run)
    try:
        with stop.listening(), use_kernels(config.train.kernels):
            first = is_first_process()
            say = Journal(None, progress and first).say
            config = with_replay(config, folder.path, say)
            prepared = prepare(config, say, starting_baseline(config))
            folder.create()
            with folder.lock() if first else nullcontext():
                return _train(prepared, folder, stop, progress, first)
    except Interruption:
        return TrainingResult(folder.path, folder.best, None, "interrupted", signal=stop.signal)
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        raise TrainingError(
            f"{error.filename or folder.path} cannot be written: {error.strerror}. Files written before are intact; "
            "free disk space or make the folder writable again, then run the same command to continue"
        ) from error


_STORAGE_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT),
    errno.ESTALE,
)
"""Errors of the operating system for a disk that is full, read-only, damaged or removed."""


def _train(
    prepared: PreparedData, folder: RunFolder, stop: StopRequests, progress: bool, is_first_process: bool
) -> TrainingResult:
    journal = Journal(folder.log if is_first_process else None, progress and is_first_process)
    status = folder.status()
    if folder.holds_a_run:
        continued = folder.continued_config(prepared.config, prepared.digest, prepared.inferred)
        prepared = prepared.with_config(continued.config)
        if is_finished(status, prepared.config):
            return _show_finished(folder, status, journal)
        for text in continued.remarks:
            journal.note(text)
    if not folder.has_checkpoint and is_first_process:
        folder.forget()
        status = Status()
    known_best = _best_at_time_limit(folder, status)
    status = status.begun(prepared.digest, prepared.config.train.max_epochs)
    if is_first_process:
        folder.write_config(prepared.config)
        folder.write_json(folder.splits, prepared.splits)
        folder.write_status(status)
    for note in prepared.notes:
        journal.note(note)
    for warning in prepared.warnings:
        journal.warn(warning)
    if prepared.config.model.closed_form:
        return _fit_and_evaluate(prepared, folder, journal, status)
    return _train_and_evaluate(prepared, folder, journal, status, stop, known_best)


def _best_at_time_limit(folder: RunFolder, status: Status) -> Best | None:
    """Return the best model if the validation at the time limit found it; the last checkpoint is older."""
    if status.reason != "max_time" or not folder.best.is_file():
        return None
    return Best.from_metadata(model_file.read_header(folder.best)["metadata"])


def _fit_and_evaluate(prepared: PreparedData, folder: RunFolder, journal: Journal, status: Status) -> TrainingResult:
    """Fit a model family in closed form on the CPU and evaluate it; the counterpart of `_train_and_evaluate`."""
    config = prepared.config
    potential = Potential(config.model, prepared.reference_energies, config.train.precision)
    data = GraphDataModule(prepared, potential.elements, potential.cutoff)
    metadata = {"training_data": prepared.digest, "config": config.model_dump(mode="json")}
    unused = unused_settings(config)
    if unused:
        journal.note(f"{config.model.name} is fitted in closed form; ignored settings: {', '.join(unused)}")
    journal.say(_announcement(potential, data, folder, "cpu"))
    start = time.monotonic()
    try:
        validation = fit(potential, config, data, folder.best, metadata, journal.say)
    except Interruption:
        folder.write_status(replace(status, state="interrupted", reason="interrupted"))
        journal.say("interrupted before the fit was complete; run the same command to start over")
        raise
    elapsed = time.monotonic() - start
    RowFile(folder.metrics, METRICS_COLUMNS).append(metrics_row(validation, elapsed))
    loggers = build_loggers(config, folder, journal, status.wandb_id or "")
    with closing(loggers):
        for logger in loggers:
            log_validation(logger, validation, elapsed)
            logger.finalize("success")
        status = replace(status, epoch=validation.epoch, elapsed=elapsed, reason="fitted")
        return _conclude(prepared, data, folder, journal, status, torch.device("cpu"), loggers)


def _train_and_evaluate(
    prepared: PreparedData,
    folder: RunFolder,
    journal: Journal,
    status: Status,
    stop: StopRequests,
    known_best: Best | None,
) -> TrainingResult:
    config = prepared.config
    checkpoint = usable_checkpoint(folder, journal.warn)
    with quiet_lightning(), restored_determinism():
        seed_everything(config.seed, workers=True, verbose=False)
        potential = initial_potential(config, prepared.reference_energies)
        data = GraphDataModule(prepared, potential.elements, potential.cutoff)
        trainer = build_trainer(config, folder, journal, stop, status.wandb_id or "")
        metadata = {
            **potential.metadata,
            "training_data": prepared.digest,
            "config": config.model_dump(mode="json"),
        }
        offenders = folder.path if trainer.is_global_zero else None
        guard = StepGuard(prepared.train, config.train.nonfinite_steps, offenders, journal.warn)
        module = TrainingModule(
            potential,
            config,
            folder.best,
            metadata,
            len(data.groups),
            data.head_groups,
            journal.say,
            guard,
            known_best,
            elastic_penalty(config, potential),
        )
        data.check_processes(trainer.world_size)
        _announce(potential, data, trainer, folder, journal)
        if checkpoint is not None:
            journal.say(f"continuing from {checkpoint}")
        with closing(trainer.loggers):
            _fit(trainer, module, data, checkpoint, stop)
            reason = _reason(module, stop)
            if stop.signal is not None and reason != "interrupted":
                # The signal arrived during or after the last step. The next start evaluates the model.
                raise Interruption(stop.signal.name)
            status = replace(status, epoch=module.epochs_trained, elapsed=stop.elapsed, reason=reason)
            if not trainer.is_global_zero:
                return TrainingResult(folder.path, folder.best, None, reason, signal=stop.signal)
            device = trainer.strategy.root_device
            return _conclude(prepared, data, folder, journal, status, device, trainer.loggers, stop.signal)


def _fit(
    trainer: Trainer, module: TrainingModule, data: GraphDataModule, checkpoint: Path | None, stop: StopRequests
) -> None:
    try:
        with ending_together(trainer):
            try:
                trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            except RuntimeError as error:
                if stop.signal is not None and "DataLoader worker" in str(error):
                    # A worker process received the signal too, before it started to ignore signals.
                    raise Interruption(stop.signal.name) from error
                if not is_out_of_memory(error):
                    raise
                raise out_of_memory(error, module.batch_record, module.config.data) from error
    finally:
        stop.fit_ended()


def _conclude(
    prepared: PreparedData,
    data: GraphDataModule,
    folder: RunFolder,
    journal: Journal,
    status: Status,
    device: torch.device,
    loggers: Sequence[Logger],
    signal: Signals | None = None,
) -> TrainingResult:
    """Evaluate the best model, and write and print the results."""
    if status.reason == "interrupted":
        folder.write_status(replace(status, state="interrupted"))
        best = f"the best model so far is {folder.best}" if folder.best.is_file() else "there is no model yet"
        again = "continue" if folder.has_checkpoint else "start over"
        journal.say(f"interrupted after {status.epoch:.4g} epochs; {best}. Run the same command to {again}")
        return TrainingResult(folder.path, folder.best, None, status.reason, signal=signal)
    journal.say(f"finished: {_reason_text(status.reason, prepared.config)}; evaluating the best model")
    results = _evaluate_best(prepared, data, folder, device)
    table = results.table
    folder.write_json(folder.errors, table.to_json())
    for logger in loggers:
        if isinstance(logger, ResultsLogger):
            logger.log_results(results)
    folder.report.unlink(missing_ok=True)  # report of the run before it was continued
    folder.write_status(replace(status, state="finished"))
    _show(folder, table, journal)
    return TrainingResult(folder.path, folder.best, table, status.reason)


_REASONS: dict[Reason, str] = {
    "max_epochs": "all epochs completed",
    "max_time": "time limit reached",
    "early_stopping": "no improvement of the validation loss",
    "fitted": "the fit is complete",
}


def _reason_text(reason: Reason, config: RunConfig) -> str:
    early = config.train.early_stopping
    if reason != "early_stopping" or early is None:
        return _REASONS[reason]
    return f"{_REASONS[reason]} for {counted(early.patience, 'validation')}"


def _reason(module: TrainingModule, stop: StopRequests) -> Reason:
    if module.epochs_trained >= module.config.train.max_epochs:
        return "max_epochs"
    if module.stopped_early:
        return "early_stopping"
    return "max_time" if stop.time_limit_reached and not stop.interrupted else "interrupted"


def _evaluate_best(
    prepared: PreparedData, data: GraphDataModule, folder: RunFolder, device: torch.device
) -> RunResults:
    best = model_file.load(folder.best, device)
    train = data.train_graphs.sample(prepared.config.seed)
    splits = {"train": train, "validation": data.validation_graphs, **data.test_graphs}
    evaluations = {
        split: evaluate_graphs(
            best, graphs, limit=data.evaluation_limit, split=split, groups=data.groups, heads=data.head_groups
        )
        for split, graphs in splits.items()
    }
    errors = [evaluation.errors for evaluation in evaluations.values()]
    if len(train) < len(data.train_graphs):
        errors[0] = replace(errors[0], sample_of=len(data.train_graphs))
    frames = {"validation": prepared.validation, **prepared.tests}
    return RunResults(folder.best, ErrorTable(errors), folder.errors, evaluations, frames)


def _show_finished(folder: RunFolder, status: Status, journal: Journal) -> TrainingResult:
    further = f", {status.epoch:.4g} epochs). To train it further, raise train.max_epochs or train.max_time; to train"
    if status.reason == "fitted":
        further = "). To fit"
    reason = _reason_text(status.reason, load_config(folder.resolved))
    journal.say(f"{folder.path} is finished ({reason}{further} again from the start, give the run another name")
    table = ErrorTable.from_json(json.loads(folder.errors.read_text(encoding="utf-8")))
    _show(folder, table, journal)
    return TrainingResult(folder.path, folder.best, table, status.reason, was_finished=True)


def _show(folder: RunFolder, table: ErrorTable, journal: Journal) -> None:
    epoch = model_file.read_header(folder.best)["metadata"].get("epoch")
    model = "the model" if epoch is None else f"the best model (epoch {epoch:.4g})"
    title = f"errors of {model}; {UNITS}"
    journal.result(f"{title}\n{table.text()}", lambda width: f"{textwrap.fill(title, width)}\n{table.text(width)}")
    for name, file in (("model", folder.best), ("errors", folder.errors), ("metrics", folder.metrics)):
        journal.result(f"{name:8}{file}")


def _announce(
    potential: Potential, data: GraphDataModule, trainer: Trainer, folder: RunFolder, journal: Journal
) -> None:
    processes = f" x {trainer.world_size}" if trainer.world_size > 1 else ""
    journal.say(_announcement(potential, data, folder, f"{trainer.strategy.root_device}{processes}"))


def _announcement(potential: Potential, data: GraphDataModule, folder: RunFolder, devices: str) -> str:
    doing = "fitting" if potential.config.closed_form else "training"
    frames = f"{len(data.train_graphs)} training frames, {len(data.validation_graphs)} validation frames"
    frozen = sum(parameter.numel() for parameter in potential.parameters()) - potential.num_parameters()
    started = potential.metadata.get("started_from")
    start = "" if started is None else f", starting from {started['file']} ({frozen} parameters frozen)"
    return (
        f"{doing} {potential.config.name} with {potential.num_parameters()} parameters ({potential.precision}) on "
        f"{devices}{start}: {frames}; folder {folder.path}"
    )
