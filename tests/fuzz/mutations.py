"""Values that nobody expects, and small changes to what is valid: to bytes, to lines of text, to nested values."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

DrawFn = st.DrawFn

NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 7, 100, -100, 10**6, 10**9, -(10**9), 2**31, 2**63, 2**64, 10**40, 10**400),
    *(0.0, -0.0, 0.5, 1e-320, 1e-30, 1e30, 1e308, -1e308, float("inf"), float("-inf"), float("nan")),
)
TEXTS = (
    *(
        "",
        " ",
        "auto",
        "null",
        "true",
        "nan",
        "-1",
        "0x10",
        "1e999",
        "None",
        "mace",
        "H",
        "Xx",
        "é",
        "水",
        "𝔄",
        "\u202e",
        "\x00",
    ),
    *(
        "\x07",
        "\x1b[31m",
        "\r\n",
        "\ufeff",
        "a" * 5000,
        "../..",
        "/",
        "/dev/null",
        "~root",
        "*",
        "@:3",
        "a@b",
        "builtin:",
    ),
    *("builtin:ethanol", "builtin:\x00", "{}", "[1]", "&a", "*a", "!!python/object:os.system", "%s%n", "eV", "h", "1h"),
)


def odd_values() -> st.SearchStrategy[Any]:
    """Any value that JSON and YAML have, with a liking for extremes."""
    leaves = st.one_of(
        st.sampled_from(NUMBERS),
        st.sampled_from(TEXTS),
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_keys(), inner, max_size=4),
        max_leaves=6,
    )


def odd_keys() -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(["name", "weight", "key", "unit", "H", "C", "energy", "", "a.b", "[key]", "__class__", "<<"]),
        st.text(max_size=6),
    )


@st.composite
def changed_tree(draw: DrawFn, tree: Any, most: int = 4, values: st.SearchStrategy[Any] | None = None) -> Any:
    """The nested value with one to `most` of its parts replaced, removed, renamed, exchanged or added."""
    values = odd_values() if values is None else values
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(tree))
        if not places:
            return draw(values)
        holder, key = draw(st.sampled_from(places))
        _change(draw, holder, key, values, places)
    return tree


def _change(draw: DrawFn, holder: Any, key: Any, values: st.SearchStrategy[Any], places: list[tuple[Any, Any]]) -> None:
    match draw(
        st.sampled_from(["replace", "replace", "replace", "number", "remove", "rename", "other", "add", "many"])
    ):
        case "replace":
            holder[key] = copy.deepcopy(draw(values))
        case "number":
            holder[key] = draw(st.sampled_from(NUMBERS))
        case "remove":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[draw(odd_keys())] = holder.pop(key)
        case "other":  # a value of another place
            other, where = draw(st.sampled_from(places))
            if isinstance(other, list) or where in other:
                holder[key] = copy.deepcopy(other[where]) if _is_there(other, where) else None
        case "add" if isinstance(holder, dict):
            holder[draw(odd_keys())] = copy.deepcopy(draw(values))
        case _:
            # Lists of lists of lists would be enormous when they are written out.
            is_leaf = not isinstance(holder[key], dict | list)
            holder[key] = [holder[key]] * draw(st.sampled_from([0, 1, 2, 30, 1000] if is_leaf else [0, 1, 2]))


def _is_there(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(tree: Any) -> Any:
    """Every (dictionary or list, key or index) of a nested value, as far as it is not too large."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, inner in list(items)[:200]:
        yield tree, key
        yield from _places(inner)


@st.composite
def changed_bytes(draw: DrawFn, data: bytes) -> bytes:
    """The bytes cut short, or with some of them changed, removed, repeated or put in."""
    result = bytearray(data)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3, 8, 30]))):
        position = draw(st.integers(0, max(len(result) - 1, 0)))
        length = draw(st.sampled_from([1, 1, 2, 8, 100]))
        match draw(st.sampled_from(["flip", "flip", "byte", "cut", "remove", "repeat", "insert", "extreme"])):
            case "flip" if result:
                result[position] ^= 1 << draw(st.integers(0, 7))
            case "byte" if result:
                result[position] = draw(st.integers(0, 255))
            case "cut":
                del result[position:]
            case "remove":
                del result[position : position + length]
            case "repeat":
                result[position:position] = result[position : position + length] * draw(st.sampled_from([1, 2, 50]))
            case "insert":
                result[position:position] = draw(st.binary(max_size=20))
            case _:
                result[position : position + 8] = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f"])) * 8
    return bytes(result)


@st.composite
def changed_text(draw: DrawFn, text: str, tokens: Sequence[str]) -> str:
    """The text with some of its lines or words changed, removed, repeated, exchanged or put in."""
    lines = text.split("\n")
    for _ in range(draw(st.sampled_from([1, 1, 2, 3, 6]))):
        number = draw(st.integers(0, max(len(lines) - 1, 0)))
        if not lines:
            lines = [""]
        match draw(
            st.sampled_from(
                ["word", "word", "word", "word", "insert", "remove", "repeat", "exchange", "part", "indent", "new"]
            )
        ):
            case "word":
                words = lines[number].split(" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(tokens))
                lines[number] = " ".join(words)
            case "insert":
                position = draw(st.integers(0, len(lines[number])))
                inserted = draw(st.one_of(st.sampled_from(tokens), st.text(max_size=5)))
                lines[number] = lines[number][:position] + inserted + lines[number][position:]
            case "remove":
                del lines[number]
            case "repeat":
                lines[number:number] = [lines[number]] * draw(st.sampled_from([1, 1, 2, 100]))
            case "exchange":
                other = draw(st.integers(0, len(lines) - 1))
                lines[number], lines[other] = lines[other], lines[number]
            case "part":
                lines[number] = lines[number][: draw(st.integers(0, len(lines[number])))]
            case "indent":
                lines[number] = draw(st.sampled_from(["  ", " ", "\t", "- ", "\x0c", "\u00a0"])) + lines[number]
            case _:
                lines.insert(number, draw(st.sampled_from(tokens)))
    return "\n".join(lines)
