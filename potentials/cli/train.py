"""`potentials train`: from a configuration to a tested potential."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from potentials.cli import console

INTERRUPTED = 130


def train(
    config: Annotated[Path, typer.Argument(help="Configuration (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as in train.max_epochs=10.", show_default=False)
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the table of errors and the path of the model only.")
    ] = False,
) -> None:
    """Train a potential as CONFIG says, and evaluate it. The same command again continues a run that was cut off.

    Ctrl-C stops after the present step and a validation, and keeps the best model; a second one stops at once.
    """
    import potentials.models  # noqa: F401  (enters the families)
    from potentials.config import load_config
    from potentials.training.error_table import UNITS
    from potentials.training.run import train as run

    result = run(load_config(config, overrides or ()), progress=not quiet)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if quiet and result.table is not None:
        console.output.print(f"{UNITS}\n{result.table.text()}", soft_wrap=True)
        console.output.print(str(result.best), soft_wrap=True)
