"""YAML with a comment beside each setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from potentials.config.dumping import PlainDumper

LINE_LENGTH = 118
_COMMENT_COLUMN = 40


@dataclass(frozen=True)
class Setting:
    """A key, its value as YAML, and the reason for it."""

    key: str
    value: str
    reason: str = ""


def quote(text: str) -> str:
    """Quote `text` as a YAML scalar in a flow mapping where a YAML program could read it as another type."""
    return yaml.dump([text], Dumper=PlainDumper, default_flow_style=True, width=10**6).strip()[1:-1]


def section(name: str, settings: Sequence[Setting]) -> list[str]:
    """Return the lines of a section."""
    return [f"{name}:", *lines_of(settings, 2)]


def lines_of(settings: Sequence[Setting], indent: int = 0) -> list[str]:
    """Return the lines of settings; a long comment stands above its setting."""
    lines = []
    for setting in settings:
        line = f"{' ' * indent}{setting.key}: {setting.value}"
        comment = f"# {setting.reason}"
        if not setting.reason:
            lines.append(line)
        elif len(line.ljust(_COMMENT_COLUMN)) + len(comment) + 2 <= LINE_LENGTH:
            lines.append(f"{line.ljust(_COMMENT_COLUMN)}  {comment}")
        else:
            lines += [f"{' ' * indent}{comment}", line]
    return lines
