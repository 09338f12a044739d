"""`potentials check`: everything a training run does before its first epoch, and what it will cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from potentials.cli import console

if TYPE_CHECKING:
    from potentials.analysis.rehearsal import Rehearsal
    from potentials.config import RunConfig


def check(
    config: Annotated[Path, typer.Argument(help="Configuration (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as in train.max_epochs=10.", show_default=False)
    ] = None,
) -> None:
    """Read CONFIG and its data with all checks, run one batch forward and backward, and say memory and time.

    Nothing is written.
    """
    import potentials.models  # noqa: F401  (enters the families)
    from potentials.analysis.rehearsal import rehearse
    from potentials.config import load_config
    from potentials.data.prepare import prepare

    prepared = prepare(load_config(config, overrides or ()))
    for text in prepared.notes:
        console.note(text)
    for text in prepared.warnings:
        console.warn(text)
    parts = {"train": prepared.train, "validation": prepared.validation, **prepared.tests}
    rehearsal = rehearse(prepared)
    console.output.print(
        console.key_values(
            [
                ("data", ", ".join(f"{name} {len(frames)} frames" for name, frames in parts.items())),
                *_figures(rehearsal, prepared.config),
            ]
        )
    )
    console.messages.print(f"{console.path(config)} is ready: potentials train {config}", style="green", soft_wrap=True)


def _figures(rehearsal: Rehearsal, config: RunConfig) -> list[tuple[str, str]]:
    train = config.train
    end = f"at most {train.max_epochs} epochs"
    if train.max_time is not None:
        end += f" or {console.duration(train.max_time.total_seconds())}"
    first = console.duration(rehearsal.first_step_seconds)
    return [
        ("model", f"{config.model.name}, {rehearsal.parameters:,} parameters, {train.precision}"),
        ("device", rehearsal.device),
        ("largest batch", f"{rehearsal.frames} frames, {rehearsal.atoms} atoms, {rehearsal.edges} edges"),
        ("loss", f"{console.number(rehearsal.loss)} before training"),
        ("step", f"{console.duration(rehearsal.step_seconds)} (the first {first})"),
        (
            "epoch",
            f"{console.duration(rehearsal.epoch_seconds)}: {rehearsal.steps_per_epoch} steps and "
            f"{console.duration(rehearsal.validation_seconds)} of validation",
        ),
        ("run", f"{console.duration(rehearsal.run_seconds)} ({end}, one device)"),
        ("memory", f"{console.size(rehearsal.peak_memory)} at the peak"),
    ]
