"""The reference of the command line, from the same declarations that `--help` shows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from potentials.cli.main import COMMANDS, app

_WORDS = {str: "text", int: "integer", float: "number", Path: "path"}


def commands() -> str:
    """All commands with their arguments and options, in Markdown."""
    group = typer.main.get_command(app)
    return "\n".join(line for found in _found(group, "potentials") for line in _section(*found))


def _found(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The commands of a group, those within other groups after their group."""
    context = typer.Context(group, info_name=path)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        yield f"{path} {name}", command
        if hasattr(command, "list_commands"):
            yield from _found(command, f"{path} {name}")


def _section(path: str, command: Any) -> list[str]:
    is_group = hasattr(command, "list_commands")
    lines = [f"## `{path}`" if path.count(" ") == 1 else f"### `{path}`", "", _summary(path, command), ""]
    if is_group:
        return lines
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    words = "".join(f" {_placeholder(argument)}" for argument in arguments)
    lines += ["```text", f"{path}{' [OPTIONS]' if options else ''}{words}", "```", ""]
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    for parameter in [*arguments, *options]:
        lines += _parameter(parameter, hints[parameter.name])
    return lines


def _summary(path: str, command: Any) -> str:
    text = inspect.cleandoc(command.help or "")
    if not text:
        raise ValueError(f"{path} has no help text")
    first = path.split()[1]
    title = f"*{COMMANDS[first]}.*\n\n" if path.count(" ") == 1 else ""
    return title + _with_code(text)


def _with_code(text: str) -> str:
    """The text with options as code; as plain text their dashes would become one."""
    return re.sub(r"(?<![`\w-])--?[a-z][\w-]*", r"`\g<0>`", text)


def _placeholder(argument: Any) -> str:
    name = argument.name.upper()
    many = "..." if argument.nargs == -1 else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _parameter(parameter: Any, hint: Any) -> list[str]:
    is_argument = parameter.param_type_name == "argument"
    names = [_placeholder(parameter)] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    kind = _type_in_words(hint)
    head = ", ".join(f"`{name}`" for name in names) + (f" ({kind})" if kind else "")
    text = (parameter.help or "").strip()
    default = parameter.default
    if not parameter.required and default not in (None, False, (), []) and getattr(parameter, "show_default", True):
        text += f" Default: `{default}`."
    if not is_argument and parameter.required:
        text += " Required."
    return [head, f": {_with_code(' '.join(text.split()))}", ""]


def _type_in_words(hint: Any) -> str:
    """Of what type a value is; nothing for a switch."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_type_in_words(choice) for choice in get_args(hint) if choice is not NoneType)
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) is list:
        return f"{_type_in_words(get_args(hint)[0])}, may be repeated"
    if hint is bool:
        return ""
    if issubclass(hint, Enum):
        return ", ".join(f"`{choice.value}`" for choice in hint)
    return _WORDS[hint]
