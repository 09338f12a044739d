"""YAML reader: PyYAML's SafeLoader with line numbers, YAML 1.2 scalars and no duplicate keys."""

from __future__ import annotations

import unicodedata
from typing import Any

import yaml

from potentials.config.messages.descriptions import quote
from potentials.config.yaml.document import Entry, Path, Place, problem_at
from potentials.config.yaml.yaml_types import (
    INTEGER,
    LIST,
    MAPPING,
    MERGE,
    NULL,
    PATTERNS,
    TEXT,
    add_resolvers,
    read_scalar,
)
from potentials.errors import ConfigError, Problem

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 40_000  # keys and values, with every alias expanded
_TOO_DEEP = f"more than {MAX_DEPTH} levels of nesting"
_TOO_MANY = f"more than {MAX_NODES} keys and values, counting each alias in full"
_MAX_NUMBER = 300  # characters; reading longer integers is slow


class _Loader(yaml.SafeLoader):
    """Composer of the node tree; `_Reader` converts it to values with places."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - replaces SafeLoader's table of YAML 1.1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
            limit = _TOO_DEEP if self._depth > MAX_DEPTH else _TOO_MANY
            raise yaml.MarkedYAMLError(problem=limit, problem_mark=self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


add_resolvers(_Loader)
_Loader.add_implicit_resolver(MERGE, yaml.SafeLoader.yaml_implicit_resolvers["<"][0][1], ["<"])


def read_document(text: str, file: str, lines: bool = True) -> tuple[Entry, list[Problem]]:
    """Read one YAML document.

    Args:
        text: the YAML text.
        file: name of the source in messages.
        lines: whether places carry line numbers; an override has none.

    Returns:
        The value with places, and the problems of single values (duplicate keys, keys that are not text, ...), which
        leave the rest readable.

    Raises:
        ConfigError: the text is not YAML, is empty, or is nested or aliased too deeply.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError([Problem(f"more than {MAX_CHARACTERS} characters; is this a configuration?", file=file)])
    node = _compose(text, file, lines)
    if node is None:
        raise ConfigError([Problem("the file is empty", file=file)])
    reader = _Reader(file, lines)
    reader.measure(node)
    return reader.entry(node, reader.place(node), ()), reader.problems


def _compose(text: str, file: str, lines: bool) -> yaml.Node | None:
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        unclosed = _unclosed(error)
        mark = error.context_mark if unclosed else error.problem_mark or error.context_mark
        line = mark.line + 1 if lines and mark is not None else None
        character = text[mark.index : mark.index + 1] if mark is not None else ""
        message = unclosed or _syntax_message(error, character)
        raise ConfigError([Problem(message, file=file, line=line)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if lines else None
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; is this a text file?"
        raise ConfigError([Problem(message, file=file, line=line)]) from None
    except (ValueError, OverflowError) as error:  # chr() and int() inside PyYAML's scanner, of escapes like \UFFFFFFFF
        line = loader.line + 1 if lines and loader is not None else None
        raise ConfigError([Problem(f"not valid YAML: {error}", file=file, line=line)]) from None


def _unclosed(error: yaml.MarkedYAMLError) -> str | None:
    """Return the message for an unclosed bracket or quote, which PyYAML detects only at the end of the text."""
    problem, context = error.problem or "", error.context or ""
    if "stream end" not in problem and "end of stream" not in problem:
        return None
    if "flow" in context:
        return "this bracket is never closed"
    return "this quote is never closed" if "quoted" in context else None


def _syntax_message(error: yaml.MarkedYAMLError, character: str) -> str:
    problem = error.problem or ""
    if problem in (_TOO_DEEP, _TOO_MANY):
        return problem
    if character == "\t":
        return "tabs are not allowed here; indent with spaces"
    if problem.startswith("mapping values are not allowed"):
        return 'unexpected ":"; check the indentation, and quote text that contains ": "'
    if problem.startswith("found character") or (error.context or "").startswith("while scanning an a"):
        return f"not valid YAML; text that starts with one of * & % @ ` needs quotes ({problem})"
    if problem.startswith("found undefined alias"):
        return f"{problem}; text that starts with * needs quotes"
    if problem == "but found another document":
        return 'a second YAML document starts here ("---"); a configuration is a single document'
    return f"not valid YAML: {', '.join(part for part in (error.context, problem) if part)}"


class _Reader:
    """Converter of nodes to entries, which collects problems."""

    def __init__(self, file: str, lines: bool) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._measures: dict[int, tuple[int, int]] = {}
        self._values: dict[int, Any] = {}

    def place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1 if self.lines else None)

    def measure(self, node: yaml.Node) -> tuple[int, int]:
        """Count values and levels below `node` with aliases expanded, without expanding them."""
        if id(node) in self._open:
            raise self._refusal(node, "the value contains itself through an alias")
        if id(node) in self._measures:
            return self._measures[id(node)]
        self._open.add(id(node))
        values, levels = 0, 0
        for child in _children(node):
            child_values, child_levels = self.measure(child)
            values += child_values
            levels = max(levels, child_levels)
        if values > MAX_NODES:
            raise self._refusal(node, _TOO_MANY)
        if levels >= MAX_DEPTH:
            raise self._refusal(node, _TOO_DEEP)
        self._open.remove(id(node))
        self._measures[id(node)] = (values + 1, levels + 1)
        return values + 1, levels + 1

    def entry(self, node: yaml.Node, place: Place, path: Path) -> Entry:
        """Return the value of `node`, whose key is at `place`."""
        if id(node) not in self._values:  # an alias is read and reported once
            self._values[id(node)] = self._value(node, place, path)
        return Entry(self._values[id(node)], place)

    def _value(self, node: yaml.Node, place: Place, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == MAPPING:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == LIST:
            return [self.entry(item, self.place(item), (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and (node.tag in PATTERNS or node.tag == TEXT):
            return self._scalar(node, place, path)
        self._complain(place, path, f"the YAML tag {quote(node.tag)} is not allowed here")
        return None

    def _scalar(self, node: yaml.ScalarNode, place: Place, path: Path) -> str | int | float | bool | None:
        text = node.value
        if node.tag == NULL and not text:
            self._complain(
                place, path, "no value; write null for nothing, {} for a section with default values, or remove the key"
            )
            return None
        if node.tag == INTEGER and len(text) > _MAX_NUMBER:
            self._complain(place, path, f"an integer of {len(text)} characters is too long")
            return None
        unprintable = _unprintable(text)
        if unprintable:
            self._complain(place, path, f"the character {unprintable} cannot be used in text")
            return None
        try:
            return read_scalar(node.tag, text)
        except ValueError:
            self._complain(place, path, f"{quote(text)} does not fit its YAML tag {quote(node.tag)}")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if key_node.tag == MERGE:
                merged = self._merged(value_node, place, path) | merged
                continue
            key = self._key(key_node, path)
            if key is not None and key not in own:
                own[key] = self.entry(value_node, place, (*path, key))
            elif key is not None:
                line = own[key].place.line
                already = f"; first given on line {line}" if line is not None else ""
                self._complain(place, (*path, key), f"duplicate key{already}")
        return own | {key: entry for key, entry in merged.items() if key not in own}

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == TEXT:
            unprintable = _unprintable(node.value)
            if not unprintable:
                return node.value
            self._complain(self.place(node), path, f"the key contains the character {unprintable}; remove it")
        elif isinstance(node, yaml.ScalarNode) and node.value:
            quoted = f'"{node.value}"'
            self._complain(self.place(node), path, f"the key {node.value} is not text; put it in quotes: {quoted}")
        else:
            self._complain(self.place(node), path, "a key must be text")
        return None

    def _merged(self, node: yaml.Node, place: Place, path: Path) -> dict[str, Entry]:
        """Return the entries of `<<: *anchor` or `<<: [*first, *second]`; of equal keys the first is used."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Entry] = {}
        for source in sources:
            value = self.entry(source, place, path).value if isinstance(source, yaml.MappingNode) else None
            if not isinstance(value, dict):
                self._complain(place, path, "<<: expected an alias of a mapping (*name) or a list of such aliases")
                continue
            for key, entry in value.items():
                result.setdefault(key, entry)
        return result

    def _complain(self, place: Place, path: Path, message: str) -> None:
        self.problems.append(problem_at(place, path, message))

    def _refusal(self, node: yaml.Node, message: str) -> ConfigError:
        return ConfigError([problem_at(self.place(node), (), message)])


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _unprintable(text: str) -> str | None:
    """Return the first control character or lone surrogate of `text`, as `U+0007`."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            return f"U+{ord(character):04X}"
    return None
