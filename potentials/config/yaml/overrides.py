"""Overrides of the command line, `train.max_epochs=10`, applied to a configuration before validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from potentials.config.messages.descriptions import describe_value, quote
from potentials.config.yaml.document import Entry, Path, Place, dotted, problem_at
from potentials.config.yaml.reader import read_document
from potentials.errors import ConfigError, Problem


def apply_overrides(document: Entry, overrides: Sequence[str]) -> tuple[Entry, list[Problem]]:
    """Apply each `key.path=value`. The value is read as YAML; missing sections are created.

    A value replaces the previous value as a whole; of two overrides of the same key, the later one counts.

    Returns:
        The changed document, and the problems of overrides that could not be applied.
    """
    problems: list[Problem] = []
    for override in overrides:
        place = Place(f"override {quote(override)}")
        try:
            path, value, found = _parse(override, place)
            problems += found
            document = _put(document, path, value, place)
        except ConfigError as error:
            problems += error.problems
    return document, problems


def _parse(override: str, place: Place) -> tuple[Path, Entry, list[Problem]]:
    key, equals, text = override.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ConfigError([problem_at(place, (), "expected key.path=value, such as train.max_epochs=10")])
    if not text.strip():
        raise ConfigError([problem_at(place, path, "no value after the =; write null for nothing")])
    try:
        value, problems = read_document(text, place.file, lines=False)
    except ConfigError as error:
        raise ConfigError([_below(path, problem) for problem in error.problems]) from None
    return path, value, [_below(path, problem) for problem in problems]


def _below(path: Path, problem: Problem) -> Problem:
    """Return the same problem with its full key."""
    inner = "" if problem.key is None else problem.key if problem.key.startswith("[") else f".{problem.key}"
    return replace(problem, key=dotted(path) + inner)


def _put(entry: Entry, path: Path, value: Entry, place: Place, done: int = 0) -> Entry:
    """Return a copy of `entry` with `value` at `path[done:]`."""
    if done == len(path):
        return value
    if entry.value is None:
        entry = Entry({}, place)
    if not isinstance(entry.value, dict):
        here = dotted(path[:done])
        message = f"{here} is {describe_value(entry.plain())}, which has no keys; override it as a whole: {here}=..."
        raise ConfigError([problem_at(place, path, message)])
    key = str(path[done])
    inner = entry.value.get(key, Entry(None, place))
    return Entry({**entry.value, key: _put(inner, path, value, place, done + 1)}, entry.place)
