"""The `potentials` command and its subcommands."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, ClassVar

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.commands import LazyCommands, list_commands
from potentials.cli.terminal.surroundings import print_anything, provide_home, use_utf8

COMMANDS = {
    "init": "Look at data and write a commented configuration",
    "check": "All checks of a configuration, and what a run will cost",
    "train": "Train a potential; the same command again continues",
    "test": "Errors of a potential on labelled structures",
    "report": "A page that shows what a potential can do",
    "predict": "Energies, forces and stresses of structures, as extxyz",
    "md": "Molecular dynamics",
    "relax": "Relax positions, or positions and cell",
    "inspect": "What a model file holds",
    "visualize": "Interactive pictures of what a model does with a structure",
    "dashboard": "Show runs in a browser while they go on",
    "learning-curve": "Compare models on growing parts of the data",
    "data": "Audit, divide and fetch data sets",
    "schema": "The JSON schema of the configuration, for editors",
    "doctor": "Check the installation and this machine",
}


class Commands(LazyCommands):
    """All commands."""

    rooms: ClassVar[Mapping[str, str]] = dict.fromkeys(("predict", "md", "relax"), "potentials.cli.structures")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, test and run E(3)-equivariant interatomic potentials.",
    epilog="`potentials COMMAND --help` explains a command.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"potentials {version('potentials')}")
        raise typer.Exit()


class CompilationNote(logging.Handler):
    """Says once that kernels are being compiled, which takes seconds the first time a model runs on a machine."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print a note for the first message; warnings always."""
        if record.levelno >= logging.WARNING:
            console.warn(record.getMessage())
        elif not self.said:
            self.said = True
            console.note("compiling kernels for this processor; they are kept for the next time")


class Warnings(logging.Handler):
    """Prints what the package warns of as warnings of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        console.warn(record.getMessage())


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""
    remark = provide_home()
    if remark:
        console.note(remark)
    kernels = logging.getLogger("potentials.kernels")
    kernels.setLevel(logging.INFO)
    if not any(isinstance(handler, CompilationNote) for handler in kernels.handlers):
        kernels.addHandler(CompilationNote())
    written = logging.getLogger("potentials.output")
    if not any(isinstance(handler, Warnings) for handler in written.handlers):
        written.addHandler(Warnings())


list_commands(app, COMMANDS)


def main() -> None:
    """Run the command line; ends the process."""
    use_utf8()
    print_anything()
    app()
