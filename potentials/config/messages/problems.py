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
from potentials.config.messages.expectations import Expectation, section_paths
from potentials.config.messages.words import describe_value, listed, nearest, one_of, quote, shortened, suggestion
from potentials.config.yaml.document import Entry, Path, dotted, problem_at
from potentials.config.yaml.yaml_types import INTEGER, NUMBER, PATTERNS
from potentials.errors import Problem

Finding = tuple[Path, str]
_UNKNOWN = object()  # stands for a value created by a validator, which the document does not contain
_MOST_SUGGESTIONS = 3
_MOST_IN_LINE = 3
_RENAMED = {"average": "ema", "averaging": "ema"}
"""Keys by other names that users may know, too different in spelling to be found as similar."""
MOST_PROBLEMS = 100
"""Maximum number of problems reported at once."""
_BOOLEANS = {"true": ("yes", "y", "on", "true", "1"), "false": ("no", "n", "off", "false", "0")}


def problems_from(error: ValidationError, model: type[BaseModel], document: Entry) -> list[Problem]:
    """Return the problems of a document that `model` rejected, each once, with its place; at most `MOST_PROBLEMS` + 1.

    Args:
        error: what pydantic raised on `document.plain()`.
        model: the class that rejected it.
        document: the configuration with its places.
    """
    root = Expectation(model)
    findings = dict.fromkeys(itertools.islice(_findings(error, root, document.plain(), ()), MOST_PROBLEMS + 1))
    return [problem_at(document.nearest_place(path), path, message) for path, message in findings]


def in_one_line(error: ValidationError) -> str:
    """Join the first problems of values without line numbers, such as the header of a model file."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    texts = [
        ": ".join(part for part in (dotted(details["loc"]), details["msg"].removeprefix("Value error, ")) if part)
        for details in found[:_MOST_IN_LINE]
    ]
    more = f"; and {len(found) - _MOST_IN_LINE} more" if len(found) > _MOST_IN_LINE else ""
    return "; ".join(shortened(text) for text in texts) + more


@dataclass(frozen=True)
class _Spot:
    """A location of pydantic: the path in the document, the value expected there, and the value found."""

    path: Path
    expected: Expectation
    value: Any
    rest: tuple[str | int, ...] = ()
    section: type[BaseModel] | None = None


def _findings(error: ValidationError, root: Expectation, value: Any, path: Path) -> Iterator[Finding]:
    unions_seen = set()
    for details in error.errors(include_url=False):
        spot = _walk(_Spot(path, root, value, details["loc"]))
        if spot.rest and spot.expected.is_union:  # one error per branch of the union: reported once, for all of them
            if spot.path not in unions_seen:
                unions_seen.add(spot.path)
                yield from _union_findings(spot)
        else:
            yield from _single_findings(details, spot, root)


def _walk(spot: _Spot) -> _Spot:
    """Follow `rest` through schema and value as far as it consists of keys, indices and tags of tagged unions."""
    while spot.rest:
        part, rest = spot.rest[0], spot.rest[1:]
        expected = spot.expected.without_null
        section = _section(expected, spot.value)
        if part in expected.tags:
            spot = _Spot(spot.path, Expectation(expected.tags[str(part)]), spot.value, rest)
        elif expected.is_union or (part == "[key]" and section is None):  # a key of a mapping, not a key of that name
            break
        elif section is not None:
            field = section.model_fields.get(str(part))
            inner = Expectation.of_field(field) if field is not None else Expectation(Any)
            spot = _Spot((*spot.path, part), inner, _item(spot.value, part), rest, section)
        elif expected.items is not None:
            spot = _Spot((*spot.path, part), expected.items, _item(spot.value, part), rest)
        else:
            break
    return spot


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


def _union_findings(spot: _Spot) -> Iterator[Finding]:
    """Yield one finding for a value that fits no branch, or the findings of the only branch that fits its type."""
    fitting = [branch for branch in spot.expected.branches if branch.kind is type(spot.value)]
    if len(fitting) == 1:
        try:
            TypeAdapter(fitting[0].annotation).validate_python(spot.value, strict=True)
        except ValidationError as error:
            told = isinstance(spot.value, dict | list) or error.errors()[0]["type"] == "value_error"
            if told:
                yield from _findings(error, fitting[0], spot.value, spot.path)
                return
    yield spot.path, _expected_but_got(spot.expected, spot.value)


def _single_findings(details: ErrorDetails, spot: _Spot, root: Expectation) -> Iterator[Finding]:
    context = details.get("ctx", {})
    match details["type"]:
        case "value_error" if isinstance(context["error"], KeyedError):
            for key, message in context["error"].messages.items():
                yield tuple(key.split(".")), message
        case "value_error":
            yield spot.path, str(context["error"])
        case "missing":
            yield spot.path, f"missing; expected {spot.expected.describe()}"
        case "extra_forbidden":
            yield spot.path, _unknown_key(str(spot.path[-1]), spot.section, root)
        case "union_tag_not_found" | "union_tag_invalid":
            yield from _tag_findings(spot)
        case "finite_number":
            yield spot.path, f"expected a finite number, got {describe_value(details['input'])}"
        case _:
            yield spot.path, _expected_but_got(spot.expected, details["input"])


def _tag_findings(spot: _Spot) -> Iterator[Finding]:
    expected = spot.expected.without_null
    key = str(expected.discriminator)
    choices = one_of([quote(tag) for tag in expected.tags])
    tag = _item(spot.value, key)
    if tag is _UNKNOWN:
        yield (*spot.path, key), f"missing; expected {choices}"
    else:
        close = suggestion(tag, expected.tags) if isinstance(tag, str) else ""
        yield (*spot.path, key), f"expected {choices}, got {describe_value(tag)}{close}"


def _unknown_key(key: str, section: type[BaseModel] | None, root: Expectation) -> str:
    known = list(section.model_fields) if section is not None else []
    close = _RENAMED[key] if _RENAMED.get(key) in known else nearest(key, known)
    meant = [close] if close is not None else []
    if not meant and root.model is not None:
        meant = [path for name, path in section_paths(root.model) if name == key]
    if 0 < len(meant) <= _MOST_SUGGESTIONS:  # `name` and `key` occur in too many places to list
        return f"unknown key; did you mean {one_of([quote(path) for path in meant])}?"
    return f"unknown key; expected {listed('key', known)}"


def _expected_but_got(expected: Expectation, value: Any) -> str:
    return f"expected {expected.describe()}, got {describe_value(value)}{_hint(expected.written, value)}"


def _hint(expected: Expectation, value: Any) -> str:
    """Return what to write instead, if it can be guessed."""
    kinds = {branch.type for branch in expected.branches}
    if isinstance(value, bool | int | float) and str in kinds and not kinds & {int, float, bool}:
        return "; text needs quotes here"
    if not isinstance(value, str):
        return ""
    for meant, spellings in _BOOLEANS.items():
        if bool in kinds and value.lower() in spellings:
            return f"; write {meant}"
    if value in expected.without_null.tags:
        return f"; write {{{expected.without_null.discriminator}: {value}}}"
    if kinds & {int, float} and any(PATTERNS[tag].fullmatch(value) for tag in (INTEGER, NUMBER)):
        return "; write the number without quotes"
    return suggestion(value, expected.choices)
