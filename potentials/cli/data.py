"""`potentials data`: commands about data, apart from any configuration."""

from __future__ import annotations

from typing import ClassVar

import typer

from potentials.cli.commands import LazyCommands, list_commands

COMMANDS = {
    "fetch": "Download a public data set and write it as extxyz",
}


class DataCommands(LazyCommands):
    """The commands of the files `data_*.py`."""

    prefix: ClassVar[str] = "data_"


data = typer.Typer(cls=DataCommands, no_args_is_help=True, add_completion=False, help="Public data sets.", name="data")


@data.callback()
def _group() -> None:
    """Keeps the commands a group while there is only one."""


list_commands(data, COMMANDS)
