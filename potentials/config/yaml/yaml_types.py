"""YAML scalars that are numbers, booleans or null: the core schema of YAML 1.2.

Only `true` and `false` (also `True`, `TRUE`, ...) are booleans: `NO`, `Y`, `on` and `yes` are text, since `No` and `Y`
are elements. `1e-3` is a number. Dates, `01:30:00` and `1_000` are text, `010` is ten.
"""

from __future__ import annotations

import re

import yaml

_PREFIX = "tag:yaml.org,2002:"
TEXT, NULL, BOOLEAN, INTEGER, NUMBER = (_PREFIX + name for name in ("str", "null", "bool", "int", "float"))
MAPPING, LIST, MERGE = (_PREFIX + name for name in ("map", "seq", "merge"))

PATTERNS = {
    NULL: re.compile(r"~|null|Null|NULL|"),
    BOOLEAN: re.compile(r"true|True|TRUE|false|False|FALSE"),
    INTEGER: re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    NUMBER: re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
_FIRST_CHARACTERS = {NULL: ["~", "n", "N", ""], BOOLEAN: list("tTfF"), INTEGER: list("-+0123456789")}


def add_resolvers(processor: type[yaml.SafeLoader] | type[yaml.SafeDumper]) -> None:
    """Make a loader or dumper class resolve plain scalars by `PATTERNS`."""
    for tag, pattern in PATTERNS.items():
        whole = re.compile(rf"(?:{pattern.pattern})\Z")
        processor.add_implicit_resolver(tag, whole, _FIRST_CHARACTERS.get(tag, list("-+.0123456789")))


def read_scalar(tag: str, text: str) -> str | int | float | bool | None:
    """Return the value of a scalar whose tag is that of text or one of `PATTERNS`.

    Raises:
        ValueError: the text does not fit the tag.
    """
    if tag == TEXT:
        return text
    if not PATTERNS[tag].fullmatch(text):
        raise ValueError(f"{text!r} is not a valid {tag.removeprefix(_PREFIX)}")
    if tag == NULL:
        return None
    if tag == BOOLEAN:
        return text.lower() == "true"
    if tag == INTEGER:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    mantissa = text.lower()
    return float(mantissa.replace(".", "", 1) if mantissa.lstrip("+-") in (".inf", ".nan") else mantissa)
