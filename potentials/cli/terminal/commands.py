"""Groups of commands that import a command's file when it is called, and end in one way when it fails."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from potentials.cli.terminal import console
from potentials.errors import PotentialsError
from potentials.exit_codes import BAD_INPUT, INTERRUPTED
from potentials.interrupts import remembering_ctrl_c


class LazyCommands(TyperGroup):
    """Commands whose files are imported when they are called, and one way for all of them to fail."""

    package: ClassVar[str] = "potentials.cli"
    """Where the files of the commands are, but for those in `rooms`."""
    rooms: ClassVar[Mapping[str, str]] = {}
    """Packages of other commands, by name."""
    prefix: ClassVar[str] = ""
    """Of the functions of the commands: that of `data fetch` is `data_fetch`."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:  # type: ignore[override]
        """Find the command called, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        file = name.replace("-", "_")
        called = getattr(import_module(f"{self.rooms.get(name, self.package)}.{file}"), f"{self.prefix}{file}")
        if not isinstance(called, typer.Typer):
            function, called = called, typer.Typer(add_completion=False)
            called.command(name)(function)
        return name, typer.main.get_command(called), rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; errors meant for the user are printed without a traceback."""
        try:
            with remembering_ctrl_c():
                return super().invoke(ctx)
        except PotentialsError as problem:
            console.error(str(problem))
            raise typer.Exit(BAD_INPUT) from problem
        except BrokenPipeError:
            raise  # whoever read the output has seen enough; click ends quietly
        except OSError as problem:
            console.error(f"{problem.filename or 'files'}: {problem.strerror or problem}")
            raise typer.Exit(BAD_INPUT) from problem
        except KeyboardInterrupt as problem:
            console.error("interrupted")
            raise typer.Exit(INTERRUPTED) from problem


def list_commands(group: typer.Typer, commands: dict[str, str]) -> None:
    """Enter names and summaries, so that `--help` needs to import none of the commands."""
    for name, summary in commands.items():
        group.command(name, help=summary)(_placeholder)


def _placeholder() -> None:
    """Stands for a command until `LazyCommands` imports it."""
