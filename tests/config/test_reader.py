# ruff: noqa: E501 - messages are written as they come

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potentials.config.yaml.document import Place
from potentials.config.yaml.reader import MAX_DEPTH, read_document
from potentials.errors import ConfigError


def read(text):
    document, problems = read_document(text, "f")
    assert not problems
    return document.plain()


def problems_of(text):
    try:
        return [str(problem) for problem in read_document(text, "f")[1]]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-2.5", -2.5),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("10", 10),
        ("+3", 3),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("NO", "NO"),
        ("No", "No"),
        ("Y", "Y"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("2024-01-01", "2024-01-01"),
        ("01:30:00", "01:30:00"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("1e", "1e"),
        ("e3", "e3"),
        (".", "."),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("a.xyz@:100", "a.xyz@:100"),
    ],
)
def test_scalars(text, value):
    result = read(f"key: {text}")["key"]
    assert result == value
    assert type(result) is type(value)


def test_nan():
    assert math.isnan(read("key: .nan")["key"])


def test_places():
    document, _ = read_document(
        "run: a\n\ndata:\n  train:\n    - a.xyz\n    - b.xyz\n  energy: {key: e,\n    unit: Ha}\n", "f"
    )
    lines = {
        ("run",): 1,
        ("data",): 3,
        ("data", "train"): 4,
        ("data", "train", 0): 5,
        ("data", "train", 1): 6,
        ("data", "energy", "key"): 7,
        ("data", "energy", "unit"): 8,
        ("data", "energy", "not there"): 7,
        ("data", "train", 7): 4,
        ("nothing",): 1,
    }
    assert {path: document.nearest_place(path) for path in lines} == {
        path: Place("f", line) for path, line in lines.items()
    }


def test_merge_keeps_own_values_and_the_line_of_the_original():
    document, problems = read_document("a: &a\n  x: 1\n  y: 2\nb: &b {y: 5, z: 6}\nc:\n  y: 3\n  <<: [*a, *b]\n", "f")
    assert not problems
    assert document.plain()["c"] == {"x": 1, "y": 3, "z": 6}
    assert document.nearest_place(("c", "x")).line == 2


def test_anchor_of_a_list_and_a_value():
    assert read("a: &a [1, &b 2]\nc: *a\nd: *b\n") == {"a": [1, 2], "c": [1, 2], "d": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", ["f:3  a: duplicate key; first given on line 1"]),
        ("s:\n  a: {}\n  a: {}\n  a: 3", [f"f:{line}  s.a: duplicate key; first given on line 2" for line in (3, 4)]),
        (
            "a:\nb:\n  -\n",
            [
                f"f:{line}  {key}: no value; write null for nothing, {{}} for a section with default values, or remove "
                "the key"
                for line, key in ((1, "a"), (3, "b[0]"))
            ],
        ),
        ("s:\n  300: a", ['f:2  s: the key 300 is not text; put it in quotes: "300"']),
        ("true: a", ['f:1 the key true is not text; put it in quotes: "true"']),
        ("[a, b]: 3", ["f:1 a key must be text"]),
        ("a: !!python/name:os.system x", ['f:1  a: the YAML tag "tag:yaml.org,2002:python/name:os.system" is not allowed here']),
        ("a: !!int x", ['f:1  a: "x" does not fit its YAML tag "tag:yaml.org,2002:int"']),
        ("a: !!set {x}", ['f:1  a: the YAML tag "tag:yaml.org,2002:set" is not allowed here']),
        ('a: "\\a"', ["f:1  a: the character U+0007 cannot be used in text"]),
        ('a: "\\ud800"', ["f:1  a: the character U+D800 cannot be used in text"]),
        ('"a\\x07": 1', ["f:1 the key contains the character U+0007; remove it"]),
        ("<<: 3", ["f:1 <<: expected an alias of a mapping (*name) or a list of such aliases"]),
        ("a: " + "9" * 5000, ["f:1  a: an integer of 5000 characters is too long"]),
        ("a: 1\n\tb: 2", ["f:2 tabs are not allowed here; indent with spaces"]),
        (
            "a:\n  b: c: d",
            ['f:2 unexpected ":"; check the indentation, and quote text that contains ": "'],
        ),
        ("a: *.xyz", ["f:1 not valid YAML; text that starts with one of * & % @ ` needs quotes (expected alphabetic or "
                      "numeric character, but found '.')"]),
        ("a: *all", ["f:1 found undefined alias 'all'; text that starts with * needs quotes"]),
        ("\na: @x", ["f:2 not valid YAML; text that starts with one of * & % @ ` needs quotes (found character '@' " "that "
                     "cannot start any token)"]),
        ("a: [1,\nb: 2", ["f:1 this bracket is never closed"]),
        ("a: 1\nb: {x: 1, ", ["f:2 this bracket is never closed"]),
        ("a: 'it\nb: 2", ["f:1 this quote is never closed"]),
        ("a: [1, 2}", ["f:1 not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '}'"]),
        ("a: 1\n---\nb: 2", ['f:2 a second YAML document starts here ("---"); a configuration is a single document']),
        ("", ["f the file is empty"]),
        ("# a comment\n", ["f the file is empty"]),
        ("a: 1\nb: \x00", ["f:2 the character U+0000 is not allowed in YAML; is this a text file?"]),
        ("a: &a [*a]", ["f:1 the value contains itself through an alias"]),
        ("x" * 1_000_001, ["f more than 1000000 characters; is this a configuration?"]),
    ],
)  # fmt: skip
def test_problems(text, expected):
    assert problems_of(text) == expected


def test_unreadable_escape_has_its_line():
    (problem,) = problems_of('a: 1\nb: "\\UFFFFFFFF"')
    assert problem.startswith("f:2 not valid YAML")


def test_all_problems_of_values_at_once():
    assert len(problems_of("a:\nb: 1\nb: 2\n3: 4\nc: !x 5\n")) == 4


def test_depth_limit():
    assert read("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1))
    for text in ("[" * 100_000, "{a: " * 1000, "- " * 1000, "? " * 1000):
        assert problems_of(text) == ["f:1 more than 40 levels of nesting"]
    chain = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60))
    (problem,) = problems_of(chain)
    assert problem.endswith("more than 40 levels of nesting")


def test_bombs_are_refused_quickly():
    ten = [", ".join([f"*a{i - 1}"] * 10) for i in range(30)]
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{ten[i]}]\n" for i in range(1, 30))
    merges = "a0: &a0 {k: v}\n" + "".join(f"a{i}: &a{i} {{<<: [{ten[i]}], b{i}: *a{i - 1}}}\n" for i in range(1, 30))
    start = time.monotonic()
    for text in (bomb, merges, "a: [" + "b, " * 300_000 + "]"):
        (problem,) = problems_of(text)
        assert problem.endswith("more than 40000 keys and values, counting each alias in full")
    assert time.monotonic() - start < 30


SCRAPS = ["a", "b: ", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "<<: ", "? ", "| ", "> ", "'",
          '"', "\\x", "#", "!!int ", "!!map ", "! ", "---\n", "...\n", "%YAML 1.1\n", "1e3", "0x", "~", "null", "true",
          "\x85", "\u2028", "\ufeff", "é", "\U0001f600"]  # fmt: skip


@settings(derandomize=True, database=None, max_examples=400, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(SCRAPS), max_size=25).map("".join))
def test_any_text_is_read_or_refused_with_a_message(text):
    try:
        document, problems = read_document(text, "f")
        document.plain()
        refused = False
    except ConfigError as error:
        problems, refused = list(error.problems), True
    assert problems or not refused
    assert all(problem.message and problem.file == "f" for problem in problems)
