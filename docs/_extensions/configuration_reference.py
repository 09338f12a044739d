"""The configuration reference, from the JSON schema that editors get too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

import potentials.models  # noqa: F401  (enters the families)
from potentials.config.editor_schema import json_schema
from potentials.config.families import FamilyConfig, families
from potentials.studies.study import Study

Schema = dict[str, Any]
SECTIONS = ("data", "loss", "train", "fine_tune", "logging")
RUN_KEYS = ("run", "seed", "start_from")
_WORDS = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "`true`, `false`",
    "null": "`null`",
}


@dataclass(frozen=True)
class Setting:
    """One key of the configuration."""

    key: str
    """In full, `data.energy.unit`."""
    schema: Schema
    required: bool

    @property
    def default(self) -> str | None:
        """As it would stand in a configuration; None where there is none."""
        return None if self.required or "default" not in self.schema else in_yaml(self.schema["default"])

    @property
    def meaning(self) -> str:
        """One or two sentences; of a mapping, what it is about."""
        if text := self.schema.get("description"):
            return text
        kinds = variants(self.schema)
        if len(kinds) < 2:
            return kinds[0].get("description", "") if kinds else ""
        return "\n".join(f"- `{kind['properties']['name']['const']}`: {kind['description']}" for kind in kinds)


@cache
def whole_schema() -> Schema:
    """The schema of configurations with references to its parts, among which are those of studies."""
    schema = json_schema()
    return {**schema, "$defs": {**study_schema()["$defs"], **schema["$defs"]}}


@cache
def study_schema() -> Schema:
    """The schema of a study."""
    return Study.model_json_schema()


def resolved(schema: Schema) -> Schema:
    """Follow a reference; what is said beside it goes before."""
    if "$ref" not in schema:
        return schema
    target = whole_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def variants(schema: Schema) -> list[Schema]:
    """The mappings with keys of their own that may stand at this place."""
    schema = resolved(schema)
    found = [schema] if "properties" in schema else []
    for choice in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        found += variants(choice)
    if isinstance(schema.get("additionalProperties"), dict):
        found += [{**variant, "below": "NAME."} for variant in variants(schema["additionalProperties"])]
    return found


def settings(schema: Schema, prefix: str) -> Iterator[Setting]:
    """The keys of a mapping, each followed by those within it."""
    required = schema.get("required", [])
    for name, value in schema["properties"].items():
        key = f"{prefix}{name}"
        yield Setting(key, resolved(value), name in required)
        for variant in variants(value):
            chosen = variant["properties"].get("name", {}).get("const")
            within = key if chosen is None else f"{key}[{chosen}]"
            yield from settings(variant, f"{within}.{variant.get('below', '')}")


def in_yaml(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def type_in_words(schema: Schema) -> str:
    """What may stand there: `integer ≥ 1` or `null`."""
    schema = resolved(schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_alternatives(schema[several]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_as_one(schema['items'])}" if "items" in schema else "list"
    if kind == "object":
        return _mapping_in_words(schema)
    if kind == "string" and "examples" in schema:
        return "text such as " + ", ".join(f"`{example}`" for example in schema["examples"])
    if kind not in _WORDS:
        raise ValueError(f"no words for the type of {schema}")
    if schema.get("pattern") == "^[A-Z][a-z]?$":
        return "chemical symbol"
    return _WORDS[kind] + _limits(schema)


def _alternatives(choices: list[Schema]) -> list[str]:
    return list(dict.fromkeys(type_in_words(choice) for choice in choices))


def _as_one(schema: Schema) -> str:
    """The type of an item, in parentheses if there are alternatives."""
    schema = resolved(schema)
    choices = schema.get("anyOf") or schema.get("oneOf") or []
    words = type_in_words(schema)
    return f"({words})" if len(_alternatives(choices)) > 1 else words


def _mapping_in_words(schema: Schema) -> str:
    if "properties" in schema:
        return "mapping"
    for values, what in (("additionalProperties", "name"), ("patternProperties", "chemical symbol")):
        if isinstance(schema.get(values), dict):
            value = schema[values]
            value = next(iter(value.values())) if what == "chemical symbol" else value
            return f"mapping of {what} to {_as_one(value)}"
    return "mapping"


def _limits(schema: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ",".join(f" {sign} {schema[name]:g}" for name, sign in signs.items() if name in schema)


def entry(setting: Setting, of: str = "") -> str:
    """One key as Sphinx shows values of a configuration, with an anchor that can be linked to.

    Args:
        setting: the key.
        of: the family it belongs to, where several have it.
    """
    name = f"{setting.key} ({of})" if of else setting.key
    lines = [f"````{{confval}} {name}", f":type: {type_in_words(setting.schema)}"]
    if setting.required:
        lines.append(":default: required")
    elif setting.default is not None and (setting.default == "null" or not variants(setting.schema)):
        # The defaults of a mapping stand at the keys within it.
        lines.append(f":default: `{setting.default}`")
    if setting.key.count(".") > 1:
        lines.append(":no-contents-entry:")
    return "\n".join([*lines, "", setting.meaning, "````", ""])


def common_settings() -> set[str]:
    """What every family takes in the same way: the keys of the base class, unless a family says otherwise."""
    return set(FamilyConfig.model_fields) - {"name"}


def family_settings(name: str) -> list[Setting]:
    """What a family has beyond the common settings, or with another default."""
    common = {setting.key: setting.schema for setting in settings(_family_schema("mace"), "model.")}
    found = []
    for setting in settings(_family_schema(name), "model."):
        top = setting.key.split(".")[1]
        if top not in common_settings() or setting.schema != common.get(setting.key):
            found.append(setting)
    return found


def _family_schema(name: str) -> Schema:
    for choice in whole_schema()["properties"]["model"]["oneOf"]:
        schema = resolved(choice)
        if schema["properties"]["name"]["const"] == name:
            return schema
    raise ValueError(f"{name!r} is no family; there are {', '.join(families())}")


def configuration() -> str:
    """The whole reference, in Markdown."""
    schema = whole_schema()
    lines = ["## The run", "", schema["description"], ""]
    lines += [entry(Setting(name, resolved(schema["properties"][name]), name == "run")) for name in RUN_KEYS]
    lines += [
        entry(s) for variant in variants(schema["properties"]["start_from"]) for s in settings(variant, "start_from.")
    ]
    for section in SECTIONS:
        body = resolved(schema["properties"][section])
        lines += [f"## `{section}`", "", body["description"], ""]
        lines += [entry(setting) for setting in settings(body, f"{section}.")]
        if section == "data":
            lines += _model_section()
    return "\n".join(lines)


def study() -> str:
    """The keys of a study, in Markdown."""
    return "\n".join(entry(setting) for setting in settings(study_schema(), ""))


def _model_section() -> list[str]:
    lines = ["## `model`", "", "Model family and its settings. These keys are common to all families:", ""]
    names = ", ".join(f"`{name}`" for name in families())
    lines += [
        "````{confval} model.name",
        f":type: {names}",
        ":default: required",
        "",
        "Name of the model family.",
        "````",
        "",
    ]
    for setting in settings(_family_schema("mace"), "model."):
        if setting.key.split(".")[1] in common_settings():
            lines.append(entry(setting))
    for name in families():
        lines += [f"### `model` of the family `{name}`", "", _family_schema(name)["description"], ""]
        lines += [f"Equations and advice: [{name}](families/{name}.md).", ""]
        lines += [entry(setting, name) for setting in family_settings(name) if setting.key != "model.name"]
    return lines


def settings_of_family(name: str) -> str:
    """The family's own settings as a table, in Markdown, each with a link to its entry in the reference."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for setting in family_settings(name):
        if setting.key == "model.name" or variants(setting.schema):
            continue
        default = setting.default or "required"
        link = f"{{confval}}`{setting.key.removeprefix('model.')} <{setting.key} ({name})>`"
        lines.append(f"| {link} | `{default}` | {setting.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)
