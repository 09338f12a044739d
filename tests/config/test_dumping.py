import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from potentials.config import dump_config, parse_config
from potentials.config.base import parse_duration
from potentials.durations import format_duration

BASE = "run: a\ndata: {train: a.xyz}\nmodel: {name: pairs}\n"


def reread(config):
    return parse_config(dump_config(config))


def test_everything_is_written_and_reads_back_equal():
    overrides = [
        "train.max_time=1d 2h",
        "train.second_stage.loss.energy=null",
        "data.virial={key: v, sign: tension-positive}",
        "data.test={NO: [a, b], 300K: c, 'null': d}",
        "logging.wandb={tags: ['1', yes, 'a: b', '', ' x', é, \"line\\nbreak\", '01:30:00', '1e3', '#']}",
        "model.shift={O: -1e-300, N: 0.1}",
        "run='2024'",
    ]
    config = parse_config(BASE, overrides=overrides)
    again = reread(config)
    assert again == config
    assert again.model_dump() == config.model_dump()
    assert set(yaml.safe_load(dump_config(config))["train"]) == set(type(config.train).model_fields)


@pytest.mark.parametrize("limit", ["max_atoms_per_batch", "max_edges_per_batch"])
def test_a_budget_reads_back(limit):
    config = parse_config(BASE, overrides=[f"data.{limit}=300"])
    assert config.data.batch_size is None
    assert getattr(config.data, limit) == 300
    assert reread(config) == config
    assert parse_config(BASE).data.batch_size == 5
    assert parse_config(BASE, overrides=["data.batch_size=3", f"data.{limit}=null"]).data.batch_size == 3


def test_any_yaml_program_reads_the_same_text():
    config = parse_config(BASE, overrides=["model.elements=[N, Y, No]", "data.train=['on', '1:30', '2024-01-01', 1_0]"])
    plain = yaml.safe_load(dump_config(config))  # YAML 1.1, where No, Y, on, 1:30 and 1_0 are something else
    assert plain["model"]["elements"] == ["N", "Y", "No"]
    assert plain["data"]["train"] == ["on", "1:30", "2024-01-01", "1_0"]
    assert plain["train"]["optimizer"]["learning_rate"] == 0.01


def test_layout():
    text = dump_config(parse_config(BASE, overrides=["data.train=[a.xyz, b.xyz]"]), header="made by\n\na test")
    assert text.startswith(
        "# made by\n#\n# a test\n\nrun: a\nseed: 1\nstart_from: null\n\n"
        "data:\n  train: [a.xyz, b.xyz]\n  validation: 0.1\n"
    )
    assert "\n\nmodel:\n  name: pairs\n" in text
    assert "max_time: null\n" in text
    assert parse_config(text).run == "a"


def test_long_lists_take_a_line_an_item():
    names = ", ".join(f"file{index}.xyz" for index in range(20))
    text = dump_config(parse_config(BASE, overrides=[f"data.train=[{names}]"]))
    assert "  train:\n  - file0.xyz\n  - file1.xyz\n" in text


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@settings(derandomize=True, database=None, max_examples=80, deadline=None)
@given(
    rate=finite.filter(lambda value: value > 0),
    shift=finite,
    names=st.lists(texts, min_size=1, max_size=4),
    groups=st.dictionaries(texts | st.text("\n\t aA:#'\"-", max_size=8), st.integers(0, 9), max_size=3),
    duration=st.timedeltas(min_value=parse_duration("0.001s")),
)
def test_round_trip(rate, shift, names, groups, duration):
    base = parse_config(BASE)
    config = type(base).model_validate(
        {
            "run": "a",
            "data": {"train": names, "weights": {"groups": groups}},
            "model": {"name": "pairs", "shift": shift},
            "train": {"max_time": format_duration(duration), "optimizer": {"learning_rate": rate}},
        }
    )
    again = reread(config)
    assert again == config
    assert again.train.max_time == duration
    assert again.train.optimizer.learning_rate == rate
    assert math.copysign(1, again.model.shift) == math.copysign(1, shift)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("15min", 900),
        ("2h 30m", 9000),
        ("2h30m", 9000),
        ("1.5h", 5400),
        ("1d", 86400),
        ("01:30:00", 5400),
        ("100:00:01", 360001),
        ("0.25s", 0.25),
    ],
)
def test_durations(text, seconds):
    duration = parse_duration(text)
    assert duration.total_seconds() == seconds
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "15", "1:30", "m", "-5m", "5x", "5m 3", "1e3s", "one hour"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
