"""`potentials data`: commands about data, apart from any configuration."""

from __future__ import annotations

from typing import ClassVar

import typer

from potentials.cli.terminal.commands import LazyCommands, list_commands

COMMANDS = {
    "audit": "Look for quiet faults in data",
    "stats": "Show what files hold, in figures",
    "split": "Divide files into parts that do not leak",
    "convert": "Write structures in another format",
    "fetch": "Download a public data set and write it as extxyz",
}


class DataCommands(LazyCommands):
    """The commands of this folder."""

    package: ClassVar[str] = "potentials.cli.data"
    prefix: ClassVar[str] = "data_"


data = typer.Typer(
    cls=DataCommands,
    no_args_is_help=True,
    add_completion=False,
    help="Data sets: looking for faults, dividing, converting, downloads.",
    name="data",
)


@data.callback()
def _group() -> None:
    """Commands about data, apart from training."""


list_commands(data, COMMANDS)
