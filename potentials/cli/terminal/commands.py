"""Groups of commands that import a command's file on its call, and handle errors uniformly."""

from __future__ import annotations

import inspect
import keyword
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
    """A group of commands whose files are imported when they are called, with uniform error handling."""

    package: ClassVar[str] = "potentials.cli"
    """Package with the files of the commands, except for those in `packages_by_command`."""
    packages_by_command: ClassVar[Mapping[str, str]] = {}
    """Packages of the other commands, by name."""
    prefix: ClassVar[str] = ""
    """Prefix of the functions of the commands: that of `data fetch` is `data_fetch`."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:  # type: ignore[override]
        """Find the called command and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        file = name.replace("-", "_")
        file += "_" if keyword.iskeyword(file) else ""
        module = import_module(f"{self.packages_by_command.get(name, self.package)}.{file}")
        command_object = getattr(module, f"{self.prefix}{file}")
        if not isinstance(command_object, typer.Typer):
            function, command_object = command_object, typer.Typer(add_completion=False)
            command_object.command(name, help=_paragraphs(function.__doc__))(function)
        return name, typer.main.get_command(command_object), rest

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; print errors meant for the user without a traceback."""
        try:
            with remembering_ctrl_c():
                return super().invoke(ctx)
        except PotentialsError as error:
            console.error(str(error))
            raise typer.Exit(BAD_INPUT) from error
        except BrokenPipeError:
            raise  # the reader of the output has closed it; click exits silently
        except OSError as error:
            console.error(f"{error.filename or 'files'}: {error.strerror or error}")
            raise typer.Exit(BAD_INPUT) from error
        except KeyboardInterrupt as error:
            console.error("interrupted")
            raise typer.Exit(INTERRUPTED) from error


def _paragraphs(text: str | None) -> str:
    """Join the lines of each paragraph; the help text would break where the lines of the source do."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text or "").split("\n\n"))


def list_commands(group: typer.Typer, commands: dict[str, str]) -> None:
    """Register names and summaries, so that `--help` imports none of the commands."""
    for name, summary in commands.items():
        group.command(name, help=summary)(_placeholder)


def _placeholder() -> None:
    """Represent a command until `LazyCommands` imports it."""
