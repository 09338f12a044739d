"""The schema is checked by a small validator written here for the keywords it uses, so it needs no other package."""

import json
import re

import pytest
import yaml

from potentials.config import dump_config, json_schema, parse_config
from potentials.errors import ConfigError

BASE = {"run": "a", "data": {"train": "a.xyz"}, "model": {"name": "pairs"}}
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "examples", "discriminator"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("number", "integer"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def object_fits(schema, value, root):
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    others = schema.get("additionalProperties", True)
    if set(schema.get("required", [])) - set(value):
        return False
    for key, inner in value.items():
        found = [known[key]] if key in known else [sub for pattern, sub in patterns.items() if re.search(pattern, key)]
        if not all(fits(sub, inner, root) for sub in found or [others]):
            return False
    return True


def fits(schema, value, root):
    if isinstance(schema, bool):
        return schema
    known = {"minimum": lambda v, b: v >= b, "maximum": lambda v, b: v <= b, "exclusiveMinimum": lambda v, b: v > b,
             "exclusiveMaximum": lambda v, b: v < b}  # fmt: skip
    lengths = {"minLength": str, "minItems": list, "minProperties": dict}
    for keyword, argument in schema.items():
        match keyword:
            case "$ref":
                good = fits(root["$defs"][argument.removeprefix("#/$defs/")], value, root)
            case "type":
                good = is_type(value, argument)
            case "const":
                good = value == argument
            case "enum":
                good = value in argument
            case "anyOf":
                good = any(fits(branch, value, root) for branch in argument)
            case "oneOf":
                good = sum(fits(branch, value, root) for branch in argument) == 1
            case "items":
                good = not isinstance(value, list) or all(fits(argument, item, root) for item in value)
            case "pattern":
                good = not isinstance(value, str) or re.search(argument, value) is not None
            case "minLength" | "minItems" | "minProperties":
                good = not isinstance(value, lengths[keyword]) or len(value) >= argument
            case "maxItems":
                good = not isinstance(value, list) or len(value) <= argument
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                good = not is_type(value, "number") or known[keyword](value, argument)
            case "properties" | "patternProperties" | "additionalProperties" | "required":
                good = not isinstance(value, dict) or object_fits(schema, value, root)
            case _:
                assert keyword in ANNOTATIONS, f"keyword {keyword} is unknown here"
                good = True
        if not good:
            return False
    return True


@pytest.fixture(scope="module")
def schema(only_test_families):
    return json_schema()


def changed(path, value):
    document = json.loads(json.dumps(BASE))
    section = document
    *sections, last = path.split(".")
    for key in sections:
        section = section.setdefault(key, {})
    section[last] = value
    return document


def test_it_is_one_json_document_whose_references_lead_somewhere(schema):
    text = json.dumps(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text))
    assert references
    assert references <= set(schema["$defs"])
    assert text.count('"$ref"') == len(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text))


def test_descriptions_come_from_docstrings_on_one_line(schema):
    assert schema["properties"]["run"]["description"].startswith("Name of the run, whose folder is `runs/NAME`")
    assert schema["$defs"]["PairsConfig"]["properties"]["channels"]["description"] == "Number of channels."
    assert schema["$defs"]["TrainConfig"]["description"] == "Settings of the training."
    assert not re.findall(r'"description": "[^"]*\\n', json.dumps(schema))


def test_model_is_one_of_the_families(schema):
    names = {branch["$ref"].rpartition("/")[2] for branch in schema["properties"]["model"]["oneOf"]}
    assert names == {"PairsConfig", "TriplesConfig"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run", "b"),
        ("model", {"name": "triples", "order": 2}),
        ("model.elements", ["H"]),
        ("model.scale", {"H": 1.0}),
        ("model.zbl", True),
        ("data.energy", "REF"),
        ("data.stress", None),
        ("data.forces", {"unit": "Ha/A"}),
        ("data.test", {"a": ["b", "c"]}),
        ("data.validation", 10),
        ("loss.energy", None),
        ("train.max_time", "15m"),
        ("train.schedule", {"name": "cosine"}),
        ("train.schedule", {"name": "plateau", "patience": 3}),
        ("train.ema", None),
    ],
)
def test_what_the_reader_takes_the_schema_takes(schema, path, value):
    document = changed(path, value)
    parse_config(yaml.safe_dump(document))
    assert fits(schema, document, schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run", ""),
        ("rum", "b"),
        ("data", {}),
        ("model", {}),
        ("model", {"name": "nothing"}),
        ("model", {"channels": 3}),
        ("model", {"name": "triples"}),
        ("model.chanels", 3),
        ("model.elements", "H"),
        ("model.cutoff", 0.1),
        ("data.train", []),
        ("data.batch_size", 1.5),
        ("data.virial", "v"),
        ("train.max_epochs", 0),
        ("train.max_time", 15),
        ("train.schedule", {"name": "cosin"}),
        ("train.schedule", {"warmup_epochs": 3}),
        ("train.schedule", {"name": "constant", "patience": 3}),
        ("train.optimizer.betas", [0.9]),
        ("train.precision", "half"),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(schema, path, value):
    document = changed(path, value)
    with pytest.raises(ConfigError):
        parse_config(yaml.safe_dump(document))
    assert not fits(schema, document, schema)


def test_a_dumped_configuration_fits(schema):
    config = parse_config(yaml.safe_dump(BASE), overrides=["train.max_time=15m", "train.second_stage.loss={}"])
    assert fits(schema, yaml.safe_load(dump_config(config)), schema)
