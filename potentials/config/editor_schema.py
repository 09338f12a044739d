"""JSON schema of the configuration, for completion and validation in editors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from potentials.config.families import families
from potentials.config.run import RunConfig
from potentials.durations import format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a configuration with all registered families.

    `model` is one of the families, distinguished by `name`; descriptions are the docstrings of the schema classes.
    """
    mode: JsonSchemaMode = "validation"
    inputs: list[tuple[type[BaseModel], JsonSchemaMode]] = [(RunConfig, mode)]
    inputs += [(config_class, mode) for config_class in families().values()]
    references, schema = models_json_schema(inputs, ref_template="#/$defs/{model}", schema_generator=_Generator)
    definitions: dict[str, Any] = schema["$defs"]
    choices = []
    for name, config_class in families().items():
        reference = references[(config_class, mode)]
        family = definitions[reference["$ref"].rpartition("/")[2]]
        family["properties"]["name"] = {"const": name, "description": "Name of the model family."}
        family["required"] = sorted({"name", *family.get("required", [])})
        choices.append(reference)
    run = definitions.pop(references[(RunConfig, mode)]["$ref"].rpartition("/")[2])
    run["properties"]["model"] = {"description": "Model family and its settings.", "oneOf": choices}
    run["title"] = "potentials configuration"
    return _on_one_line({"$schema": DIALECT, **run, "$defs": definitions})


class _Generator(GenerateJsonSchema):
    """Writes default durations as a configuration does, `10m`."""

    def encode_default(self, dft: Any) -> Any:
        """Return a default value as JSON."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _on_one_line(schema: Any) -> Any:
    """Remove line breaks from the descriptions of a schema."""
    if isinstance(schema, list):
        return [_on_one_line(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _on_one_line(value)
        for key, value in schema.items()
    }
