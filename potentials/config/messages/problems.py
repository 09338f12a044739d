"""Conversion of pydantic's errors to readable problems: place, expected and found value, suggestion."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from potentials.config.base import KeyedError
from potentials.config.families import FamilyConfig, families
from potentials.config.messages.descriptions import (
    closest_match,
    describe_value,
    format_names,
    join_or,
    quote,
    shortened,
    suggestion,
)
from potentials.config.messages.expectations import Expectation, section_paths
from potentials.config.messages.foreign_keys import foreign_key_message
from potentials.config.yaml.document import Entry, Path, dotted, problem_at
from potentials.config.yaml.yaml_types import INTEGER, NUMBER, PATTERNS
from potentials.errors import Problem

PathMessage = tuple[Path, str]
"""A message on the value at a path."""
_UNKNOWN = object()  # stands for a value created by a validator, which the document does not contain
_MAX_SUGGESTIONS = 3
_MAX_IN_LINE = 3
_ALIASES = {"average": "ema", "averaging": "ema"}
"""Keys by other names that users may know, too different in spelling to be found as similar."""
MAX_PROBLEMS = 100
"""Maximum number of problems reported at once."""
_BOOLEANS = {"true": ("yes", "y", "on", "true", "1"), "false": ("no", "n", "off", "false", "0")}


def problems_from(error: ValidationError, model: type[BaseModel], document: Entry) -> list[Problem]:
    """Return the problems of a document that `model` rejected, each once, with its place; at most `MAX_PROBLEMS` + 1.

    Args:
        error: what pydantic raised on `document.plain()`.
        model: the class that rejected it.
        document: the configuration with its places.
    """
    root = Expectation(model)
    messages = dict.fromkeys(itertools.islice(_path_messages(error, root, document.plain(), ()), MAX_PROBLEMS + 1))
    return [problem_at(document.nearest_place(path), path, message) for path, message in messages]


def summarize_errors(error: ValidationError) -> str:
    """Join the first problems of values without line numbers, such as the header of a model file."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [
        ": ".join(part for part in (dotted(details["loc"]), details["msg"].removeprefix("Value error, ")) if part)
        for details in found[:_MAX_IN_LINE]
    ]
    more = f"; and {len(found) - _MAX_IN_LINE} more" if len(found) > _MAX_IN_LINE else ""
    return "; ".join(shortened(text) for text in texts) + more


@dataclass(frozen=True)
class _Location:
    """A location of a pydantic error: the path in the document, the value expected there, and the value found."""

    path: Path
    expected: Expectation
    value: Any
    rest: tuple[str | int, ...] = ()
    section: type[BaseModel] | None = None


def _path_messages(error: ValidationError, root: Expectation, value: Any, path: Path) -> Iterator[PathMessage]:
    unions_seen = set()
    for details in error.errors(include_url=False):
        location = _resolve_location(_Location(path, root, value, details["loc"]))
        if location.rest and location.expected.is_union:  # one error per branch of the union, reported once for all
            if location.path not in unions_seen:
                unions_seen.add(location.path)
                yield from _union_messages(location)
        else:
            yield from _single_messages(details, location, root)


def _resolve_location(location: _Location) -> _Location:
    """Follow `rest` through schema and value as far as it consists of keys, indices and tags of tagged unions."""
    while location.rest:
        part, rest = location.rest[0], location.rest[1:]
        expected = location.expected.without_null
        section = _section(expected, location.value)
        if part in expected.tags:
            location = _Location(location.path, Expectation(expected.tags[str(part)]), location.value, rest)
        elif expected.is_union or (part == "[key]" and section is None):  # a key of a mapping, not a key of that name
            break
        elif section is not None:
            field = section.model_fields.get(str(part))
            inner = Expectation.of_field(field) if field is not None else Expectation(Any)
            location = _Location((*location.path, part), inner, _item(location.value, part), rest, section)
        elif expected.items is not None:
            location = _Location((*location.path, part), expected.items, _item(location.value, part), rest)
        else:
            break
    return location


def _section(expected: Expectation, value: Any) -> type[BaseModel] | None:
    if expected.model is FamilyConfig and isinstance(value, dict):
        return families().get(str(value.get("name")), FamilyConfig)
    return expected.model


def _item(value: Any, part: str | int) -> Any:
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _UNKNOWN


def _union_messages(location: _Location) -> Iterator[PathMessage]:
    """Yield one message for a value that fits no branch, or the messages of the only branch that fits its type."""
    fitting = [branch for branch in location.expected.branches if branch.python_type is type(location.value)]
    if len(fitting) == 1:
        try:
            TypeAdapter(fitting[0].annotation).validate_python(location.value, strict=True)
        except ValidationError as error:
            has_specific_errors = isinstance(location.value, dict | list) or error.errors()[0]["type"] == "value_error"
            if has_specific_errors:
                yield from _path_messages(error, fitting[0], location.value, location.path)
                return
    yield location.path, _expected_but_got(location.expected, location.value)


def _single_messages(details: ErrorDetails, location: _Location, root: Expectation) -> Iterator[PathMessage]:
    context = details.get("ctx", {})
    match details["type"]:
        case "value_error" if isinstance(context["error"], KeyedError):
            for key, message in context["error"].messages.items():
                yield tuple(key.split(".")), message
        case "value_error":
            yield location.path, str(context["error"])
        case "missing":
            yield location.path, f"missing; expected {location.expected.describe()}"
        case "extra_forbidden":
            yield location.path, _unknown_key(str(location.path[-1]), details["input"], location.section, root)
        case "union_tag_not_found" | "union_tag_invalid":
            yield from _tag_messages(location)
        case "finite_number":
            yield location.path, f"expected a finite number, got {describe_value(details['input'])}"
        case _:
            yield location.path, _expected_but_got(location.expected, details["input"])


def _tag_messages(location: _Location) -> Iterator[PathMessage]:
    expected = location.expected.without_null
    key = str(expected.discriminator)
    choices = join_or([quote(tag) for tag in expected.tags])
    tag = _item(location.value, key)
    if tag is _UNKNOWN:
        yield (*location.path, key), f"missing; expected {choices}"
    else:
        close = suggestion(tag, expected.tags) if isinstance(tag, str) else ""
        yield (*location.path, key), f"expected {choices}, got {describe_value(tag)}{close}"


def _unknown_key(key: str, value: Any, section: type[BaseModel] | None, root: Expectation) -> str:
    foreign = foreign_key_message(key, value, section)
    if foreign is not None:
        return foreign
    known = list(section.model_fields) if section is not None else []
    close = _ALIASES[key] if _ALIASES.get(key) in known else closest_match(key, known)
    suggestions = [close] if close is not None else []
    if not suggestions and root.model is not None:
        suggestions = [path for name, path in section_paths(root.model) if name == key]
    if 0 < len(suggestions) <= _MAX_SUGGESTIONS:  # `name` and `key` occur in too many places to list
        return f"unknown key; did you mean {join_or([quote(path) for path in suggestions])}?"
    return f"unknown key; expected {format_names('key', known)}"


def _expected_but_got(expected: Expectation, value: Any) -> str:
    return f"expected {expected.describe()}, got {describe_value(value)}{_hint(expected.input_form, value)}"


def _hint(expected: Expectation, value: Any) -> str:
    """Return what to write instead, if it can be guessed."""
    kinds = {branch.type for branch in expected.branches}
    if isinstance(value, bool | int | float) and str in kinds and not kinds & {int, float, bool}:
        return "; text needs quotes here"
    if not isinstance(value, str):
        return ""
    for boolean, spellings in _BOOLEANS.items():
        if bool in kinds and value.lower() in spellings:
            return f"; write {boolean}"
    if value in expected.without_null.tags:
        return f"; write {{{expected.without_null.discriminator}: {value}}}"
    if kinds & {int, float} and any(PATTERNS[tag].fullmatch(value) for tag in (INTEGER, NUMBER)):
        return "; write the number without quotes"
    return suggestion(value, expected.choices)
