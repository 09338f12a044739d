"""Texts that may be configurations of runs or studies, with overrides."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

import potentials.models  # noqa: F401  (enters the families)
from fuzz.limits import check_message, limited
from fuzz.mutations import NUMBERS, TEXTS, changed_bytes, changed_text, changed_tree, odd_values
from potentials.config import RunConfig, dump_config, load_config, parse_config
from potentials.config.families import families
from potentials.config.messages.expectations import section_paths
from potentials.errors import ConfigError
from potentials.studies.study import load_study

REPOSITORY = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Example:
    """What stands in a file, and what on the command line."""

    data: bytes
    overrides: tuple[str, ...] = ()
    study: bool = False


@cache
def shipped(study: bool) -> tuple[str, ...]:
    """The configurations of `configs/`; sweeps are wandb's."""
    folder = REPOSITORY / "configs"
    files = sorted(file for file in folder.rglob("*.yaml") if file.parent.name != "sweeps")
    return tuple(file.read_text() for file in files if (file.parent.name == "studies") == study)


@cache
def known_keys() -> tuple[str, ...]:
    """Every key there is, with its path."""
    models = [("model." + path, name) for config in families().values() for name, path in section_paths(config)]
    return tuple(sorted({path for _, path in section_paths(RunConfig)} | {path for path, _ in models}))


TOKENS = (
    *(
        ":",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "<<: *a",
        "!!int",
        "!!python/object/apply:os.system",
        "|",
        ">",
        "'",
        '"',
        "#",
    ),
    *(
        "---",
        "...",
        "%YAML 9.9",
        "?",
        "@",
        "`",
        "\t",
        "~",
        "? [a]: b",
        "a: &a [*a]",
        "\\UFFFFFFFF",
        '"\\ud800"',
        "\u2028",
    ),
    *(
        "model:",
        "data:",
        "train:",
        "name: mace",
        "name: ace",
        "channels: 1e9",
        "layers: 0x7fffffffffffffff",
        "9" * 5000,
    ),
    *(
        ".nan",
        "-.inf",
        "1e400",
        "0o777",
        "1_000",
        "2026-01-01",
        "y",
        "NO",
        "true",
        "null",
        "elements: [H, H]",
        "cutoff: .nan",
    ),
)


@st.composite
def bombs(draw: st.DrawFn) -> str:
    """Short texts that mean something enormous, and long ones that mean little."""
    return draw(_bombs())


def _bombs() -> st.SearchStrategy[str]:
    levels = st.integers(1, 60)
    sizes = st.sampled_from([10, 100, 1000, 1000, 5000, 50_000])
    return st.one_of(
        levels.map(
            lambda n: "\n".join(
                ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]" for k in range(1, n)]
            )
        ),
        levels.map(
            lambda n: "\n".join(
                ["a0: &a0 {x: 1}"]
                + [f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}], y{k}: *a{k - 1}}}" for k in range(1, n)]
            )
        ),
        sizes.map(lambda n: "[" * n),
        sizes.map(lambda n: "{a: " * min(n, 50_000) + "}" * min(n, 50_000)),
        sizes.map(lambda n: "run: " + "x" * n),
        sizes.map(lambda n: "seed: " + "9" * n),
        sizes.map(lambda n: "\n".join(f"k{k}: 1" for k in range(n // 10))),
        sizes.map(lambda n: "model: {name: mace, radial_mlp: [" + "1," * (n // 2) + "]}"),
        sizes.map(lambda n: "data: {train: [" + "a.xyz," * (n // 6) + "]}"),
        sizes.map(lambda n: "- " * n),
        sizes.map(lambda n: "? " * min(n, 1000)),
        sizes.map(lambda n: '"' + "\\x41" * n),
        sizes.map(lambda n: "#" * n),
        sizes.map(lambda n: "\n" * n),
        sizes.map(lambda n: "run: a\nmodel: {name: ace, elements: [" + "H," * (n // 2) + "]}\ndata: {train: x}"),
        st.sampled_from(
            ["a: &a\n  <<: *a", "&a [*a]", "a: *b", "&a a: *a", "<<: 1", "<<: [1, {a: 2}]", "<<: {<<: {<<: {}}}"]
        ),
    )


@st.composite
def changed_values(draw: st.DrawFn, study: bool) -> str:
    """A shipped configuration with other values, as YAML or JSON."""
    tree = yaml.safe_load(draw(st.sampled_from(shipped(study))))
    values = st.one_of(odd_values(), st.sampled_from([{"name": name} for name in families()]))
    return written(draw, draw(changed_tree(tree, values=values)))


@st.composite
def random_structures(draw: st.DrawFn) -> str:
    """Known keys with values of any kind."""
    tree: dict[str, Any] = {
        "run": "a",
        "data": {"train": "a.xyz"},
        "model": {"name": draw(st.sampled_from([*families()]))},
    }
    for path in draw(st.lists(st.sampled_from(known_keys()), max_size=6)):
        *sections, key = path.split(".")
        inner = tree
        for section in sections:
            if not isinstance(inner.get(section), dict):
                inner[section] = {}
            inner = inner[section]
        inner[key] = draw(st.one_of(st.sampled_from(NUMBERS), odd_values()))
    return written(draw, tree)


def written(draw: st.DrawFn, tree: Any) -> str:
    if draw(st.booleans()):
        return json.dumps(tree, ensure_ascii=draw(st.booleans()))
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans()), sort_keys=False)


def texts(study: bool) -> st.SearchStrategy[str]:
    return st.one_of(
        st.text(),
        st.lists(st.sampled_from([*TOKENS, *TEXTS, " ", "\n", "\n  ", ": "]), max_size=25).map("".join),
        changed_values(study),
        changed_values(study),
        random_structures(),
        st.sampled_from(shipped(study)).flatmap(lambda text: changed_text(text, TOKENS)),
        st.sampled_from(shipped(study)).flatmap(lambda text: changed_text(text, TOKENS)),
        bombs(),
    )


def overrides() -> st.SearchStrategy[str]:
    values = st.one_of(
        odd_values().map(lambda value: json.dumps(value)),
        st.sampled_from([*TOKENS, *TEXTS]),
        st.sampled_from(NUMBERS).map(str),
        bombs(),
    )
    keys = st.one_of(st.sampled_from(known_keys()), st.sampled_from(TEXTS), st.text(max_size=8))
    return st.one_of(st.tuples(keys, values).map("=".join), st.text(), st.sampled_from(TEXTS))


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Configurations of runs and studies: random, changed, enormous."""
    study = draw(st.sampled_from([False, False, False, False, True]))
    if draw(st.sampled_from([False, False, False, False, True])):
        data = draw(st.sampled_from(shipped(study)).flatmap(lambda text: changed_bytes(text.encode())))
    else:
        data = draw(texts(study)).encode("utf-8", "surrogatepass")
    if study:
        return Example(data, study=True)
    if draw(st.booleans()):
        return Example(data)
    if draw(st.booleans()):  # overrides of something sound
        data = draw(st.sampled_from(shipped(False))).encode()
    return Example(data, tuple(draw(st.lists(overrides(), min_size=1, max_size=3))))


def check(example: Example, folder: Path) -> str:
    """Read it: a configuration or a refusal with a message comes out, in bounded time and memory."""
    file = folder / "example.yaml"
    file.write_bytes(example.data)
    with limited():
        try:
            if example.study:
                load_study(file)
                return "accepted"
            config = load_config(file, example.overrides)
        except ConfigError as error:
            for problem in error.problems:
                check_message(str(problem))
            return type(error).__name__
        assert parse_config(dump_config(config)) == config
    return "accepted"
