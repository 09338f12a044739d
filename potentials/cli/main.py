"""The `potentials` command: its subcommands, and how errors and interruptions end it."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from potentials.cli import console
from potentials.errors import PotentialsError

BAD_INPUT = 2
INTERRUPTED = 130

# The summaries stand here so that `--help` needs to import none of the commands.
COMMANDS = {
    "init": "Look at data and write a commented configuration",
    "check": "Read configuration and data, run one batch, say memory and time",
    "train": "Train a potential; the same command again continues",
    "test": "Errors of a potential on labelled structures",
    "predict": "Energies, forces and stresses of structures, as extxyz",
    "md": "Molecular dynamics",
    "relax": "Relax positions, or positions and cell",
    "inspect": "What a model file holds",
    "schema": "The JSON schema of the configuration, for editors",
    "doctor": "Check the installation and this machine",
}


class LazyCommands(TyperGroup):
    """Commands whose files are imported when they are called, and one way for all of them to fail."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:  # type: ignore[override]
        """Find the command called, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        module = import_module(f"potentials.cli.{name}")
        single = typer.Typer(add_completion=False)
        single.command(name)(getattr(module, name))
        return name, typer.main.get_command(single), rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; errors meant for the user are printed without a traceback."""
        try:
            return super().invoke(ctx)
        except PotentialsError as problem:
            console.error(str(problem))
            raise typer.Exit(BAD_INPUT) from problem
        except KeyboardInterrupt as problem:
            console.error("interrupted")
            raise typer.Exit(INTERRUPTED) from problem


app = typer.Typer(
    cls=LazyCommands,
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


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""
    kernels = logging.getLogger("potentials.kernels")
    kernels.setLevel(logging.INFO)
    if not any(isinstance(handler, CompilationNote) for handler in kernels.handlers):
        kernels.addHandler(CompilationNote())


def _placeholder() -> None:
    """Stands for a command until `LazyCommands` imports it."""


for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(_placeholder)


def main() -> None:
    """Run the command line; ends the process."""
    app()
