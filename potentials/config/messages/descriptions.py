"""Descriptions of values, choices and numbers of things in messages."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_MAX_QUOTE = 60
_MAX_TEXT = 300


@dataclass(frozen=True)
class Description:
    """Metadata of `Annotated[...]`: names of such values in messages, as `an element symbol` and `element symbols`."""

    singular: str
    plural: str


def quote(text: str) -> str:
    """Return text in double quotes, shortened if it is long."""
    shown = text if len(text) <= _MAX_QUOTE else text[: _MAX_QUOTE - 3] + "..."
    return json.dumps(shown, ensure_ascii=False)


def shortened(text: str) -> str:
    """Return any text as one printable line of limited length."""
    line = " ".join(text.split())
    shown = line if len(line) <= _MAX_TEXT else line[: _MAX_TEXT - 3] + "..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in shown
    )


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 frame`, `3 frames`. By default, the plural is the singular with an s."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def join_or(choices: Sequence[str]) -> str:
    """Join choices as `a`, `a or b`, `a, b or c`."""
    if len(choices) < 2:
        return "".join(choices)
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def describe_value(value: Any) -> str:
    """Describe a value in the terms of YAML: text, integer, number, true/false, list, mapping, null."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return f"the integer {value}" if abs(value) < 10**40 else "an integer with more than 40 digits"
        case float():
            return f"the number {value!r}" if math.isfinite(value) else f"the number {_non_finite(value)}"
        case str():
            return f"text {quote(value)}" if value else "empty text"
        case list():
            return f"a list of {counted(len(value), 'item')}" if value else "an empty list"
        case dict():
            return f"a mapping with {format_names('key', value)}" if value else "an empty mapping"
        case _:
            return f"{type(value).__name__} {value!r}"


def format_names(noun: str, names: Iterable[str], at_most: int = 30) -> str:
    """List names as `key "a"` or `keys "a", "b"`; beyond `at_most` names, with the number of the rest."""
    names = list(names)
    shown = ", ".join(quote(name) for name in names[:at_most])
    rest = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}{rest}"


def closest_match(word: str, known: Iterable[str]) -> str | None:
    """Return the known word closest to `word`, ignoring case and treating `-` as `_`; None if none is close."""
    by_form = {_normalized(name): name for name in known}
    close = difflib.get_close_matches(_normalized(word), by_form, n=1)
    return by_form[close[0]] if close else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?` if a known word is close, otherwise empty text."""
    close = closest_match(word, known)
    return f"; did you mean {quote(close)}?" if close is not None else ""


def _normalized(word: str) -> str:
    return word[:100].casefold().replace("-", "_")


def _non_finite(value: float) -> str:
    return ".nan" if math.isnan(value) else (".inf" if value > 0 else "-.inf")
