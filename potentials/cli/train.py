"""`potentials train`: train and test a potential."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.signals import exit_on_signal
from potentials.exit_codes import interruption_code


def train(
    config: Annotated[Path, typer.Argument(help="Configuration (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys to override, such as train.max_epochs=10.", show_default=False)
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the error table and the path of the model.")
    ] = False,
) -> None:
    """Train the potential of CONFIG and test it, or continue an interrupted run.

    At the end, an HTML report is written to the folder of the run (see logging.report).

    Ctrl-C saves a checkpoint after the current step and exits with code 130; a second Ctrl-C stops at once. SIGTERM and
    SIGUSR1, which batch systems send before they end a job, save a checkpoint and exit with code 75; the same command
    then continues the run.
    """
    with exit_on_signal():
        import potentials.interop.starting
        import potentials.models  # noqa: F401  (registers the families)
        from potentials.config import load_config
        from potentials.evaluation.error_table import UNITS
        from potentials.report.after_training import train_and_report

        settings = load_config(config, overrides or ())
    reported = train_and_report(settings, progress=not quiet)
    result = reported.training
    if result.interrupted:
        raise typer.Exit(interruption_code(result.signal))
    if quiet and result.table is not None:
        console.output.print(f"{UNITS}\n{result.table.text()}", soft_wrap=True)
        console.output.print(str(result.best), soft_wrap=True)
    if reported.signal is not None:
        raise typer.Exit(interruption_code(reported.signal))
