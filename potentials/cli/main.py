"""The `potentials` command and its subcommands."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, ClassVar

import typer

from potentials.cli.terminal import console
from potentials.cli.terminal.commands import LazyCommands, list_commands
from potentials.cli.terminal.environment import ensure_home_folder, escape_unprintable, use_utf8

COMMANDS = {
    "init": "Write a commented configuration for a data set",
    "check": "Validate a configuration and estimate time and memory",
    "train": "Train a potential, or continue an interrupted run",
    "test": "Compute the errors of a potential on labeled structures",
    "report": "Write an HTML report on a potential",
    "predict": "Write energies, forces and stresses as extended XYZ",
    "import": "Convert a model of mace-torch, nequip or SevenNet",
    "md": "Run NVE, Langevin or NPT dynamics",
    "relax": "Relax positions, or positions and cell",
    "inspect": "Show the contents of a model file",
    "visualize": "Write an interactive page that shows what a model computes",
    "dashboard": "Serve a web page of all runs in a folder",
    "learning-curve": "Compare models on training sets of increasing size",
    "data": "Audit, split, convert and download data sets",
    "schema": "Print the JSON schema of the configuration, for editors",
    "doctor": "Check the installation and the machine",
}


class Commands(LazyCommands):
    """All commands."""

    packages_by_command: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("predict", "md", "relax"), "potentials.cli.structures"
    )


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, test and run E(3)-equivariant interatomic potentials.",
    epilog="`potentials COMMAND --help` lists the options of a command.",
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"potentials {version('potentials')}")
        raise typer.Exit()


class CompilationNote(logging.Handler):
    """Handler that prints one note when kernels are compiled, which takes seconds on a model's first run."""

    printed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print a note for the first message, and all warnings."""
        if record.levelno >= logging.WARNING:
            console.warn(record.getMessage())
        elif not self.printed:
            self.printed = True
            console.note("compiling kernels for this processor; they are cached for later runs")


class Warnings(logging.Handler):
    """Handler that prints warnings of the package as warnings of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the warning."""
        console.warn(record.getMessage())


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Handle the options before the command."""
    message = ensure_home_folder()
    if message:
        console.note(message)
    kernels = logging.getLogger("potentials.kernels")
    kernels.setLevel(logging.INFO)
    if not any(isinstance(handler, CompilationNote) for handler in kernels.handlers):
        kernels.addHandler(CompilationNote())
    output_logger = logging.getLogger("potentials.output")
    if not any(isinstance(handler, Warnings) for handler in output_logger.handlers):
        output_logger.addHandler(Warnings())


list_commands(app, COMMANDS)


def main() -> None:
    """Run the command line and exit."""
    use_utf8()
    escape_unprintable()
    app()
