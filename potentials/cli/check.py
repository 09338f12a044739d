"""`potentials check`: everything a training run does before its first epoch, and estimates of time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli.terminal import console

if TYPE_CHECKING:
    from potentials.config import RunConfig
    from potentials.setup.fit_rehearsal import FitRehearsal
    from potentials.setup.rehearsal import Rehearsal


def check(
    config: Annotated[Path, typer.Argument(help="Configuration (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys to override, such as train.max_epochs=10.", show_default=False)
    ] = None,
) -> None:
    """Validate CONFIG and its data; estimate time and memory.

    All data are read and checked, and one batch is run forward and backward (for a family fitted in closed form, some
    equations are assembled). No file is written.
    """
    import potentials.interop.starting
    import potentials.models  # noqa: F401  (registers the families)
    from potentials.config import load_config
    from potentials.data.prepare import prepare
    from potentials.setup.fit_rehearsal import rehearse_fit
    from potentials.setup.rehearsal import rehearse
    from potentials.training.fine_tuning.replay import with_replay
    from potentials.training.fine_tuning.starting import starting_baseline

    settings = with_replay(load_config(config, overrides or ()), say=console.note)
    prepared = prepare(settings, console.note, starting_baseline(settings))
    for text in prepared.notes:
        console.note(text)
    for text in prepared.warnings:
        console.warn(text)
    splits = {"train": prepared.train, "validation": prepared.validation, **prepared.tests}
    if prepared.config.model.closed_form:
        rows = _fit_rows(rehearse_fit(prepared), prepared.config)
    else:
        rows = _rows(rehearse(prepared), prepared.config)
    counts = ", ".join(f"{name} {len(frames)} frames" for name, frames in splits.items())
    console.output.print(console.key_values([("data", counts), *rows]))
    console.messages.print(
        f"{console.path(config)} is valid; next: potentials train {config}", style="green", soft_wrap=True
    )


def _fit_rows(rehearsal: FitRehearsal, config: RunConfig) -> list[tuple[str, str]]:
    return [
        ("model", f"{config.model.name}, {rehearsal.coefficients:,} coefficients, {config.train.precision}"),
        ("fit", f"{rehearsal.equations:,} equations, about {console.duration(rehearsal.seconds)}"),
        ("memory", f"about {console.size(rehearsal.peak_memory + rehearsal.memory)} peak"),
    ]


def _start_rows(rehearsal: Rehearsal, config: RunConfig) -> list[tuple[str, str]]:
    """State the starting potential and which parameters are trained."""
    if config.start_from is None:
        return []
    counts = f"{rehearsal.parameters:,} parameters are trained, {rehearsal.frozen:,} keep their values"
    start = ("starting from", console.path(config.start_from.file))
    return [start, ("fine-tuning", f"{config.fine_tune.method}: {counts}")]


def _rows(rehearsal: Rehearsal, config: RunConfig) -> list[tuple[str, str]]:
    train = config.train
    limits = f"at most {train.max_epochs} epochs"
    if train.max_time is not None:
        limits += f" or {console.duration(train.max_time.total_seconds())}"
    first = console.duration(rehearsal.first_step_seconds)
    return [
        ("model", f"{config.model.name}, {rehearsal.parameters:,} parameters, {train.precision}"),
        *_start_rows(rehearsal, config),
        ("device", rehearsal.device),
        ("largest batch", f"{rehearsal.frames} frames, {rehearsal.atoms} atoms, {rehearsal.edges} edges"),
        ("loss", f"{console.number(rehearsal.loss)} before training"),
        ("step", f"{console.duration(rehearsal.step_seconds)} (first step {first})"),
        (
            "epoch",
            f"{console.duration(rehearsal.epoch_seconds)}: {rehearsal.steps_per_epoch} steps and "
            f"{console.duration(rehearsal.validation_seconds)} of validation",
        ),
        ("run", f"{console.duration(rehearsal.run_seconds)} ({limits}; one device)"),
        ("memory", f"{console.size(rehearsal.peak_memory)} peak"),
    ]
