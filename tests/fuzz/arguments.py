"""Command lines: every command with files, numbers and texts where they belong and where they do not."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer
from hypothesis import strategies as st
from typer.testing import CliRunner

from fuzz import extxyz_files, model_files
from fuzz.limits import check_message, limited
from fuzz.mutations import NUMBERS, TEXTS
from potentials.cli.data import COMMANDS as DATA_COMMANDS
from potentials.cli.main import COMMANDS, app

EXIT_CODES = {0: "ended well", 1: "found something", 2: "refused", 130: "interrupted"}
SECONDS = 30.0
"""Of a command that does something; most take milliseconds."""
GOOD_MODEL = "good.potential"
MODELS = (
    *[GOOD_MODEL] * 6,
    "cut.potential",
    "future.potential",
    "foreign.potential",
    "empty",
    "folder",
    "missing.potential",
)
STRUCTURES = (
    *["good.xyz"] * 4,
    "good.xyz@0",
    "good.xyz@:2",
    "good.xyz@99",
    "good.xyz@x",
    "*.xyz",
    "broken.xyz",
    "nothing*",
    "empty",
    "folder",
)
CONFIGURATIONS = (
    "broken.yaml",
    "wrong.yaml",
    "no-data.yaml",
    "good.xyz",
    "empty",
    "folder",
    "missing.yaml",
    GOOD_MODEL,
)
OUTPUTS = (
    "out",
    "out.xyz",
    "out.traj",
    "out.json",
    "folder",
    "folder/out",
    "missing/out",
    "good.xyz",
    "/proc/out",
    "",
    ".",
    "o" * 300,
)
WORDS = (
    *(text for text in TEXTS if "\x00" not in text and len(text) < 1000),
    *(
        "--",
        "-",
        "-x",
        "--no-such-option",
        "-o",
        "--help",
        "\udcff",
        "a" * 10_000,
        "1 1 1",
        "2 2 2",
        "0 1 1",
        "99999 99999 99999",
    ),
    *(
        "1fs",
        "-1ps",
        "1e999ps",
        "nve",
        "npt",
        "fire",
        "random",
        "cpu",
        "cuda",
        "cuda:99",
        "GPa",
        "kcal/mol",
        "energy",
        "forces",
    ),
    *("run=", "=", "a.b=1", "train.max_epochs=0", "model={", "data.train=[", "seed=" + "9" * 400, "schnet", "ace"),
)
NUMBER_WORDS = tuple(str(number)[:50] for number in NUMBERS)


@dataclass(frozen=True)
class Example:
    """What stands behind `potentials`."""

    arguments: tuple[str, ...]


@cache
def commands() -> dict[tuple[str, ...], Any]:
    """Every command, as typer makes it, by its words."""
    found: dict[tuple[str, ...], Any] = {}
    root = typer.main.get_command(app)
    for name in COMMANDS:
        command = _resolved(root, name)
        if name == "data":
            found |= {(name, inner): _resolved(command, inner) for inner in DATA_COMMANDS}
        else:
            found[(name,)] = command
    return found


def _resolved(group: Any, name: str) -> Any:
    return group.resolve_command(group.make_context("potentials", [name]), [name])[1]


def _values(name: str) -> st.SearchStrategy[str]:
    """Values for a parameter: mostly of the kind that it takes."""
    kinds = {
        "model": MODELS,
        "config": CONFIGURATIONS,
        "study": CONFIGURATIONS,
        "structure": STRUCTURES,
        "files": STRUCTURES,
        "data": STRUCTURES,
        "validation": STRUCTURES,
        "test": STRUCTURES,
        "archive": STRUCTURES,
        "output": OUTPUTS,
        "parity": OUTPUTS,
        "page": OUTPUTS,
    }
    fitting = st.sampled_from(kinds.get(name, (*NUMBER_WORDS, *WORDS)))
    odd = st.one_of(st.sampled_from(WORDS), st.sampled_from(NUMBER_WORDS), st.text(_PRINTABLE, max_size=20))
    return st.integers(0, 9).flatmap(lambda chance: odd if chance == 0 else fitting)


_PRINTABLE = st.characters(exclude_characters="\x00", codec="utf-8")
LENGTHS = ("steps", "time")
"""Of a simulation: with a sound model these stay short."""


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Commands with arguments and options: too few, too many, odd."""
    words = draw(st.sampled_from(sorted(commands())))
    command = commands()[words]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    given: list[str] = []
    for argument in arguments:
        most = 3 if argument.nargs == -1 else 1
        for _ in range(draw(st.sampled_from([1, 1, 1, 1, 1, 0, most]))):
            given.append(draw(_values(str(argument.name))))
    sound = GOOD_MODEL in given and words in (("md",), ("relax",))
    if sound:
        options = [option for option in options if option.name not in LENGTHS]
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else ():
        given.append(draw(st.sampled_from(option.opts)))
        if not option.is_flag and draw(st.sampled_from([True] * 9 + [False])):
            given.append(draw(_values(str(option.name))))
    if draw(st.sampled_from([False] * 5 + [True])):
        given.insert(draw(st.integers(0, len(given))), draw(st.sampled_from(WORDS)))
    return Example((*words, *given, *(["--steps", "2"] if sound else [])))


def prepare(folder: Path) -> None:
    """Put the files that the commands find into a folder, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    good = next(data for data in model_files.shipped() if b'\\"name\\": \\"schnet\\"' in data)
    header, index, numbers = model_files.parts(good)
    (folder / GOOD_MODEL).write_bytes(good)
    (folder / "cut.potential").write_bytes(good[:-100])
    (folder / "future.potential").write_bytes(model_files.whole({**header, "format_version": 7}, index, numbers))
    (folder / "foreign.potential").write_bytes(b"\x80\x04\x95" + bytes(range(200)))
    (folder / "good.xyz").write_text(extxyz_files.sound()[1])
    (folder / "broken.xyz").write_text(extxyz_files.sound()[0][:300])
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    (folder / "broken.yaml").write_text("run: [a\nmodel: *b\n")
    (folder / "wrong.yaml").write_text("run: a\nseed: -1\nmodel: {name: nothing}\nsizes: [1]\n")
    (folder / "no-data.yaml").write_text("run: a\ndata: {train: missing.xyz}\nmodel: {name: schnet}\n")


def check(example: Example, folder: Path) -> str:
    """Run it: it ends with one of the exit codes, without a traceback, in bounded time and memory."""
    inside = folder / "here"
    prepare(inside)
    environment = {"POTENTIALS_KERNELS": "reference", "WANDB_MODE": "offline", "COLUMNS": "100"}
    # The dashboard gets as far as listening; it would serve until somebody ends it.
    unending = patch("potentials.dashboard.serving.answer")
    with contextlib.chdir(inside), patch.dict(os.environ, environment), unending, limited(SECONDS):
        result = CliRunner().invoke(app, list(example.arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"{' '.join(example.arguments)[:500]}: a traceback") from result.exception
    assert result.exit_code in EXIT_CODES, f"exit code {result.exit_code}"
    if result.exit_code == 2:
        # Messages repeat what was given.
        most = 20_000 + 3 * sum(map(len, example.arguments))
        check_message(result.output.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), most)
    assert "Traceback" not in result.output
    return EXIT_CODES[result.exit_code]
