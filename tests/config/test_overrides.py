# ruff: noqa: E501 - messages are written as they come

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potentials.config import parse_config
from potentials.errors import ConfigError

TEXT = "run: a\ndata: {train: a.xyz, energy: E}\nmodel:\n  name: pairs\nloss:\n  energy: {weight: 2}\n"


def config(*overrides):
    return parse_config(TEXT, "c.yaml", overrides)


def messages(*overrides):
    with pytest.raises(ConfigError) as caught:
        config(*overrides)
    return [str(problem) for problem in caught.value.problems]


def test_values_are_read_as_yaml():
    changed = config(
        "train.max_epochs=10",
        "data.train=[a.xyz,b.xyz]",
        "loss.energy=null",
        "train.optimizer.learning_rate=1e-3",
        "model.elements=[N, Y]",
        "train.max_time=01:30:00",
        "train.schedule={name: constant}",
        "data.forces.key = F=1",
        "run='2024'",
    )
    assert changed.train.max_epochs == 10
    assert changed.data.train == ["a.xyz", "b.xyz"]
    assert changed.loss.energy.weight == 0
    assert changed.train.optimizer.learning_rate == 1e-3
    assert changed.model.elements == ["N", "Y"]
    assert changed.train.max_time.total_seconds() == 5400
    assert changed.train.schedule.name == "constant"
    assert changed.data.forces.key == "F=1"
    assert changed.run == "2024"


def test_sections_that_are_not_there_are_made_and_others_kept():
    changed = config("train.second_stage.loss.forces.weight=5", "logging.wandb={}", "loss.energy.huber_delta=0.5")
    assert changed.train.second_stage.loss.forces.weight == 5
    assert changed.logging.wandb.project == "potentials"
    assert (changed.loss.energy.weight, changed.loss.energy.huber_delta) == (2, 0.5)


def test_null_becomes_a_section_where_a_key_below_it_is_set():
    assert config("train.ema=null", "train.ema.decay=0.5").train.ema.decay == 0.5


def test_the_later_of_two_counts():
    assert config("seed=2", "seed=3").seed == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.max_epoch=10", '  train.max_epoch: unknown key; did you mean "max_epochs"?'),
        ("trian.max_epochs=10", '  trian: unknown key; did you mean "train"?'),
        ("train.max_epochs=x", '  train.max_epochs: expected an integer of at least 1, got text "x"'),
        ("model.name=pears", '  model.name: expected the name of a family, "pairs" or "triples", got text "pears"; '
                             'did you mean "pairs"?'),
        ("train.second_stage.start=3",
         '  train.second_stage.loss: missing; expected a mapping with keys "energy", "forces", "stress"'),
        ("max_epochs", " expected key.path=value, such as train.max_epochs=10"),
        ("", " expected key.path=value, such as train.max_epochs=10"),
        ("=3", " expected key.path=value, such as train.max_epochs=10"),
        ("train..max_epochs=3", " expected key.path=value, such as train.max_epochs=10"),
        ("seed=", "  seed: no value after the =; write null for nothing"),
        ("seed=#3", "  seed: the file is empty"),
        ("data.train=[a,", "  data.train: this bracket is never closed"),
        ("data.train=*.xyz", "  data.train: not valid YAML; text that starts with one of * & % @ ` needs quotes (expected "
                             "alphabetic or numeric character, but found '.')"),
        ("data.test={a: b, a: c}", "  data.test.a: duplicate key"),
        ("data.test=[a, !x b]", '  data.test[1]: the YAML tag "!x" is not allowed here'),
        ("data.train.a=3",
         '  data.train.a: data.train is text "a.xyz", which has no keys; override it as a whole: data.train=...'),
        ("data.energy.unit=Ha",
         '  data.energy.unit: data.energy is text "E", which has no keys; override it as a whole: data.energy=...'),
    ],
)  # fmt: skip
def test_problems_name_the_override(override, message):
    assert messages(override) == [f'override "{override}"{message}']


def test_all_problems_at_once():
    found = messages("seed=x", "bad", "data.workers=-1", "train={max_epochs: 0}")
    assert [problem.split('"')[1] for problem in sorted(found)] == [
        "bad",
        "data.workers=-1",
        "seed=x",
        "train={max_epochs: 0}",
    ]


def test_problem_of_the_file_and_of_an_override_together():
    with pytest.raises(ConfigError) as caught:
        parse_config(TEXT + "sed: 3\n", "c.yaml", ["seeed=4"])
    assert [str(problem) for problem in caught.value.problems] == [
        'c.yaml:7  sed: unknown key; did you mean "seed"?',
        'override "seeed=4"  seeed: unknown key; did you mean "seed"?',
    ]


PARTS = ["run", "data", "train", "model", "loss", "energy", "second_stage", "name", "weight", ".", "..", "=", "null",
         "{", "}", "[", "]", ":", " ", "3", "-1", "1e9", "'", "x", "<<", "*", "&a "]  # fmt: skip


@settings(derandomize=True, database=None, max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=30) | st.lists(st.sampled_from(PARTS), max_size=8).map("".join), max_size=3))
def test_any_override_works_or_is_refused_with_a_message(overrides):
    try:
        config(*overrides)
        problems = None
    except ConfigError as error:
        problems = error.problems
    assert problems is None or problems
    assert all(problem.message for problem in problems or ())
