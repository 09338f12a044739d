"""`potentials data`: commands on data sets, without a configuration."""

from __future__ import annotations

from typing import ClassVar

import typer

from potentials.cli.terminal.commands import LazyCommands, list_commands

COMMANDS = {
    "audit": "Check data for silent errors",
    "stats": "Summarize sizes, compositions, labels and distances",
    "split": "Write training, validation and test files, split to avoid leaks",
    "convert": "Write structures in another format",
    "fetch": "Download a public data set and write it as extended XYZ",
}


class DataCommands(LazyCommands):
    """The commands of `potentials data`."""

    package: ClassVar[str] = "potentials.cli.data"
    prefix: ClassVar[str] = "data_"


data = typer.Typer(
    cls=DataCommands,
    no_args_is_help=True,
    add_completion=False,
    help="Audit, split, convert and download data sets.",
    name="data",
)


@data.callback()
def _group() -> None:
    """Audit, split, convert and download data sets."""


list_commands(data, COMMANDS)
