"""Entries of another program's configuration, and the configuration of ours that they become."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from potentials.config import parse_config
from potentials.config.messages.foreign_keys import flow
from potentials.errors import ConfigError, Problem

_MISSING = object()
_SECTIONS = ("run", "seed", "data", "model", "loss", "train", "logging")


def problem(message: str) -> ConfigError:
    """Return the error with a message."""
    return ConfigError([Problem(message)])


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of another program, by the rules of PyYAML, which these programs use.

    Raises:
        ConfigError: the file cannot be read, does not contain a mapping, or contains itself through an alias.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        json.dumps(content, default=str)  # fails for a value that contains itself
    except (OSError, UnicodeDecodeError) as error:
        raise problem(f"{path} cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise problem(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise problem(f"{path}: expected a mapping of keys to values")
    return {str(key): value for key, value in content.items()}


class Given:
    """Entries by dotted path; each can be taken once, and the rest becomes comments.

    Args:
        entries: nested mappings; lists are values.
    """

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._left = dict(_leaves(entries, ""))

    def __contains__(self, path: str) -> bool:
        return path in self._left

    def get(self, path: str) -> Any:
        """Return the value at a path without taking it; None if there is none."""
        return self._left.get(path)

    def take(self, path: str, default: Any = None) -> Any:
        """Take the value at a path, or the default if there is none."""
        return self._left.pop(path, default)

    def take_all(self, prefix: str) -> dict[str, Any]:
        """Take all values whose path starts with a prefix, by the rest of their path."""
        found = {path: value for path, value in self._left.items() if path.startswith(prefix)}
        for path in found:
            del self._left[path]
        return {path.removeprefix(prefix): value for path, value in found.items()}

    def rest(self) -> list[str]:
        """List the entries that were not taken, as `path: value`."""
        return [f"{path}: {_shown(value)}" for path, value in self._left.items()]


def _leaves(entries: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    shown = flow(value)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


class Written:
    """Our configuration as it is put together."""

    def __init__(self) -> None:
        self._entries: dict[str, Any] = {}

    def put(self, path: str, value: Any) -> None:
        """Set the value at a dotted path."""
        *sections, key = path.split(".")
        inner = self._entries
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = value

    def put_given(self, path: str, given: Given, key: str) -> None:
        """Set the value at a path to that of a key of the other program, if it is given."""
        value = given.take(key, _MISSING)
        if value is not _MISSING and value is not None:
            self.put(path, value)

    def text(self, title: str, untranslated: list[str]) -> str:
        """Return the configuration as YAML, with a title and what was not translated as comments.

        Raises:
            ConfigError: a value is not valid here.
        """
        ordered = {name: self._entries[name] for name in _SECTIONS if name in self._entries}
        text = yaml.safe_dump(ordered, sort_keys=False, default_flow_style=None, width=100, allow_unicode=True)
        comments = [f"# {title}"]
        if untranslated:
            comments += ["# Not translated:", *(f"#   {line}" for line in untranslated)]
        parse_config(text, "translated configuration")
        return "\n".join(comments) + "\n\n" + text
