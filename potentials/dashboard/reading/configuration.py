"""Configurations of runs as flat text, and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import yaml

from potentials.dashboard.reading.folder import readable

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Loader that reads every scalar as text; the C implementation if PyYAML has it."""
LARGEST = 512 * 1024
"""Largest size of a configuration in bytes; larger files are not read."""
_DEEPEST = 24
_MOST_EVENTS = 10_000

Node = str | dict[str, "Node"]
FlatConfig = dict[str, str]
"""`{"model.cutoff": "5.0", ...}`; a list is one value."""


class _TooMuchError(Exception):
    """A file with more levels or entries than a configuration can have."""


def flat_configuration(text: bytes) -> FlatConfig | str:
    """Return the keys and values of a YAML file, or the reason as text if it cannot be parsed.

    The file is processed as a sequence of events: no objects are constructed, aliases are not resolved, and deep
    nesting is cheap.
    """
    try:
        events = _limited(yaml.parse(text, Loader=_LOADER))
        begun = (event for event in events if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent))
        first = next(begun)
        if isinstance(first, yaml.StreamEndEvent):
            return "it is empty"
        node = _node(events, first)
    except _TooMuchError as error:
        return str(error)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return f"it is not YAML: {readable(' '.join(str(error).split()))[:200]}"
    return _flat(node) if isinstance(node, dict) and node else "it has no keys"


def differences(configurations: Sequence[FlatConfig]) -> list[tuple[str, list[str | None]]]:
    """Return the keys whose values are not the same in all configurations, in file order, with the value in each."""
    keys = list(dict.fromkeys(key for flat in configurations for key in flat))
    rows = [(key, [flat.get(key) for flat in configurations]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def seconds(duration: str | None) -> float | None:
    """Convert a duration such as `1h 30m` to seconds (5400); `None` for other text."""
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
    total = 0.0
    for part in (duration or "?").split():
        try:
            total += float(part[:-1]) * units[part[-1]]
        except (ValueError, KeyError):
            return None
    return total


def positive_integer(config: Mapping[str, str], key: str) -> int | None:
    """Return a value that is a positive integer, otherwise `None`."""
    text = config.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0 else None


def _node(events: Iterator[yaml.Event], event: yaml.Event, depth: int = 0) -> Node:
    """Parse the node that starts with an event: a scalar or list as text, a mapping as a dictionary."""
    if depth > _DEEPEST:
        raise _TooMuchError(f"more than {_DEEPEST} levels of nesting")
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)
    if isinstance(event, yaml.AliasEvent):
        raise _TooMuchError(f"the alias *{event.anchor}: aliases are not followed")
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_text(_node(events, event, depth + 1)))
        return f"[{', '.join(items)}]"
    mapping: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _text(_node(events, event, depth + 1))
        mapping[key] = _node(events, next(events), depth + 1)
    return mapping


def _text(node: Node) -> str:
    if isinstance(node, str):
        return node
    return "{" + ", ".join(f"{key}: {_text(value)}" for key, value in node.items()) + "}"


def _flat(node: Node, prefix: str = "") -> FlatConfig:
    if isinstance(node, str) or not node:
        return {prefix: _text(node)}
    flat: FlatConfig = {}
    for key, value in node.items():
        flat |= _flat(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _limited(events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    for count, event in enumerate(events):
        if count > _MOST_EVENTS:
            raise _TooMuchError(f"more than {_MOST_EVENTS} keys and values")
        yield event
