"""The documentation site is whole, and what it says of keys, commands and families is so."""

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from documentation_site import Site
from typer.testing import CliRunner

import potentials.models  # noqa: F401  (enters the families)
from potentials.cli.data import COMMANDS as DATA_COMMANDS
from potentials.cli.main import COMMANDS, app
from potentials.config import families, json_schema, parse_config
from potentials.studies.study import ParameterMatch, Study, Variant

ALL_COMMANDS = [name for name in COMMANDS if name != "data"] + [f"data {name}" for name in DATA_COMMANDS]
KEYS = {"run", "seed", "data", "model", "loss", "train", "logging"}
SMALLEST: dict[str, Any] = {"run": "run", "data": {"train": "train.xyz"}, "model": {"name": "mace"}}


@pytest.mark.slow
def test_it_builds_without_a_warning(site: Site):
    assert site.exit_code == 0, site.output
    assert "WARNING" not in site.output
    assert {"index", "first-hour", "configuration", "command-line", "api/potential"} <= set(site.pages)


@pytest.mark.slow
def test_links_and_images_lead_somewhere(site: Site):
    broken = [
        f"{name}: {link}"
        for name, page in site.pages.items()
        for link in [*page.links, *page.loaded]
        if not _leads_somewhere(site, page.file, link)
    ]
    assert not broken
    assert sum(len(page.links) for page in site.pages.values()) > 500


def _leads_somewhere(site: Site, origin: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme in ("http", "https", "data"):
        return True
    target = (origin.parent / unquote(parts.path)).resolve() if parts.path else origin
    if not target.is_file():
        return False
    page = site.pages.get(target.relative_to(site.folder.resolve()).with_suffix("").as_posix())
    return not parts.fragment or page is None or unquote(parts.fragment) in page.ids


@pytest.mark.slow
def test_pages_fetch_nothing_from_a_network(site: Site):
    addresses = [address for page in site.pages.values() for address in page.loaded]
    assert addresses
    assert not [address for address in addresses if re.match(r"(https?:)?//", address)]
    styles = [file.read_text(encoding="utf-8") for file in site.folder.rglob("*.css")]
    assert styles
    assert not [style for style in styles if re.search(r"(@import|url\()\s*['\"]?(https?:)?//", style)]


@pytest.mark.slow
def test_every_key_of_the_configuration_has_its_entry(site: Site):
    ids = site.pages["configuration"].ids
    schema = json_schema()
    run = dict(schema["properties"])
    choices = run.pop("model")["oneOf"]
    wanted = {f"confval-{key}" for name, value in run.items() for key in _keys(schema, value, name)}
    for choice in choices:
        family = _followed(schema, choice)
        name = family["properties"]["name"]["const"]
        for key in _keys(schema, choice, "model"):
            anchor = f"confval-{key}"
            # What all families take alike stands there once.
            assert anchor in ids or f"{anchor}-{name}" in ids, f"{key} of {name}"
    assert len(wanted) > 80
    assert not {anchor for anchor in wanted - ids if anchor not in SECTIONS}


SECTIONS = {"confval-data", "confval-loss", "confval-train", "confval-fine_tune", "confval-logging"}
"""Headings of their own."""


def _followed(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def _keys(schema: dict[str, Any], part: dict[str, Any], key: str) -> Iterator[str]:
    """A key, and all keys within it."""
    if key != "model":
        yield key
    pending = [(part, key)]
    while pending:
        part, prefix = pending.pop()
        part = _followed(schema, part)
        pending += [(choice, prefix) for name in ("anyOf", "oneOf") for choice in part.get(name, [])]
        if isinstance(part.get("additionalProperties"), dict):
            pending.append((part["additionalProperties"], f"{prefix}.NAME"))
        constant = part.get("properties", {}).get("name", {}).get("const")
        if constant is not None and key != "model":
            prefix = f"{prefix}-{constant}-"  # of train.schedule[cosine]
        for name, value in part.get("properties", {}).items():
            yield from _keys(schema, value, f"{prefix}.{name}")


@pytest.mark.slow
def test_every_key_of_a_study_has_its_entry(site: Site):
    names = [*Study.model_fields, *(f"variants.NAME.{name}" for name in Variant.model_fields)]
    assert not {f"confval-{name}" for name in names} - site.pages["howto/learning-curves"].ids
    fields = [field for model in (Study, Variant, ParameterMatch) for field in model.model_fields.values()]
    assert all(field.description for field in fields)


def test_every_key_says_what_it_means():
    """Editors show it too."""
    schema = json_schema()
    silent = [
        f"{title}.{name}"
        for title, part in schema["$defs"].items()
        for name, value in part.get("properties", {}).items()
        if "description" not in value and not _descriptions(schema, value)
    ]
    assert not silent


def _descriptions(schema: dict[str, Any], value: dict[str, Any]) -> list[str]:
    followed = _followed(schema, value)
    found = [followed["description"]] if "description" in followed else []
    for name in ("anyOf", "oneOf"):
        found += [text for choice in followed.get(name, []) for text in _descriptions(schema, choice)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_every_command_stands_there_with_its_options(site: Site, command: str):
    text = "".join(site.pages["command-line"].text)
    _, _, section = text.partition(f"potentials {command} [OPTIONS]")
    if not section:
        _, _, section = text.partition(f"potentials {command}\n")
    section = section.partition("\npotentials ")[0]
    options = set(re.findall(r"--[a-z][\w-]+", _help(command))) - {"--help"}
    assert options <= set(re.findall(r"--[a-z][\w-]+", section)), command


def _help(command: str) -> str:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.mark.slow
@pytest.mark.parametrize("family", families())
def test_every_family_has_a_page_with_equations_settings_and_paper(site: Site, family: str):
    page = site.pages[f"families/{family}"]
    assert page.tags.count("math") > 5
    assert {"equations", "settings", "when-to-choose-it", "paper"} <= page.ids
    own = [name for name in families()[family].model_fields if name not in _common_names()]
    text = "".join(page.text)
    assert own
    assert not [name for name in own if name not in text]


def _common_names() -> set[str]:
    return set.intersection(*(set(config.model_fields) for config in families().values()))


@pytest.fixture(scope="module")
def sources(repository: Path) -> dict[str, str]:
    files = (repository / "docs").rglob("*.md")
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_configurations_shown_are_accepted(sources: dict[str, str]):
    shown = [
        (name, text)
        for name, source in sources.items()
        for text in re.findall(r"^```yaml\n(.*?)^```", source, re.MULTILINE | re.DOTALL)
    ]
    assert len(shown) > 12
    for name, text in shown:
        part = yaml.safe_load(text.replace("\n...\n", "\n"))
        if set(part) & {"energy", "forces", "length_unit"}:  # lines of the section `data`
            part = {"data": part}
        if not part.keys() & KEYS:  # of another program
            continue
        assert part.keys() <= KEYS, (name, text)
        whole = {key: SMALLEST.get(key, {}) | part.get(key, {}) for key in ("data", "model")}
        whole |= {key: value for key, value in part.items() if key not in whole}
        # A loss of stress wants labels, and labels may stand on another page.
        if "stress" in whole.get("loss", {}) or "stress" in str(whole.get("train", {})):
            whole["data"].setdefault("stress", "stress")
        parse_config(yaml.safe_dump({"run": "run", **whole}))


OTHER_PROGRAMS = {"janus_core", "matcalc", "openmm", "openmmml", "phonopy"}
"""Not installed here; tests/clients runs what docs/howto/other-programs.md shows of them in its own environment."""


def test_python_shown_imports_what_is_there(sources: dict[str, str]):
    trees = [
        ast.parse(text)
        for source in sources.values()
        for text in re.findall(r"^```python\n(.*?)^```", source, re.MULTILINE | re.DOTALL)
    ]
    assert len(trees) > 6
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    missing = [
        f"{node.module}.{name.name}"
        for node in imports
        for name in node.names
        if (node.module or "").partition(".")[0] not in OTHER_PROGRAMS
        and not hasattr(import_module(node.module or ""), name.name)
    ]
    assert imports
    assert not missing


def test_commands_shown_exist_with_their_options(sources: dict[str, str]):
    lines = [
        (name, re.split(r" [#|;>&]", line)[0].strip())
        for name, source in sources.items()
        for line in re.findall(r"^(?:\$ |    |srun )?(potentials [a-z].*)$", source, re.MULTILINE)
    ]
    assert len(lines) > 25
    helps: dict[str, str] = {}
    for name, line in lines:
        words = shlex.split(line)[1:]
        command = " ".join(words[:2]) if words[0] == "data" else words[0]
        if command not in ALL_COMMANDS:
            pytest.fail(f"{name}: {line}: there is no such command")
        shown = helps.setdefault(command, _help(command))
        options = [word for word in words if re.fullmatch(r"--?[a-z][^ ]*", word)]  # without arguments in quotes
        unknown = [word for word in options if word not in shown.split()]
        assert not unknown, (name, line)
