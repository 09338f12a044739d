import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potentials.config import load_config, parse_config
from potentials.errors import ConfigError

COMPLETE = """\
run: first
seed: 7
data:
  train: [a.xyz, "b*.xyz@:100"]
  validation: 50
  test: {300K: a.xyz, on: [c.xyz]}
  energy: REF_energy
  forces: {key: REF_forces, unit: Ha/Bohr}
  virial: {key: v, sign: compression-positive}
  reference_energies: {H: -13.6, N: -1.5e3}
  weights: {groups: {bulk: 2}}
model:
  name: pairs
  cutoff: 6
  elements: [H, N]
  radial: {basis: gaussian, trainable: true}
loss:
  energy: {weight: 1}
  stress: {weight: 10, function: huber}
train:
  max_epochs: 20
  max_time: 2h 30m
  optimizer: {learning_rate: 1e-3, betas: [0.9, 0.99]}
  schedule: {name: plateau, patience: 5}
  ema: null
  second_stage: {start: 15, loss: {forces: {weight: 1e1}}}
logging:
  wandb: {tags: [NO]}
"""


def test_values_arrive():
    config = parse_config(COMPLETE)
    assert config.seed == 7
    assert config.data.train == ["a.xyz", "b*.xyz@:100"]
    assert config.data.validation == 50
    assert config.data.test == {"300K": "a.xyz", "on": ["c.xyz"]}
    assert config.data.energy.key == "REF_energy"
    assert config.data.forces.unit == "Ha/Bohr"
    assert config.data.stress is None
    assert config.data.reference_energies == {"H": -13.6, "N": -1500.0}
    assert type(config.model).__name__ == "PairsConfig"
    assert config.model.cutoff == 6.0
    assert config.model.elements == ["H", "N"]
    assert config.model.radial.trainable is True
    assert config.model.channels == 64
    assert config.train.max_time.total_seconds() == 9000
    assert config.train.optimizer.learning_rate == 1e-3
    assert config.train.schedule.patience == 5
    assert config.train.ema is None
    assert config.train.second_stage.start == 15
    assert config.logging.wandb.tags == ["NO"]


def test_whole_number_or_fraction_keep_their_kind():
    text = "run: a\nmodel: {name: pairs}\ndata: {train: a, validation: 1, test: 0.25}\n"
    data = parse_config(text).data
    assert (type(data.validation), type(data.test)) == (int, float)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "c.yaml").write_text(COMPLETE, encoding="utf-8")
    return tmp_path


def test_relative_files_are_taken_from_the_folder_of_the_configuration(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    config = load_config(f"{folder.name}/c.yaml", ["data.isolated_atoms=builtin:ethanol", "data.validation=../v.xyz"])
    assert config.data.train == [f"{folder}/a.xyz", f"{folder}/b*.xyz@:100"]
    assert config.data.test == {"300K": f"{folder}/a.xyz", "on": [f"{folder}/c.xyz"]}
    assert config.data.isolated_atoms == "builtin:ethanol"
    assert config.data.validation == f"{folder.parent}/v.xyz"
    assert config.run == "first"


def test_problems_carry_the_name_of_the_file(folder):
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "c.yaml", ["model.chanels=3"])
    assert str(caught.value) == 'override "model.chanels=3"  model.chanels: unknown key; did you mean "channels"?'
    (folder / "c.yaml").write_text(COMPLETE.replace("cutoff: 6", "cutof: 6"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r'c\.yaml:14  model\.cutof: unknown key; did you mean "cutoff"\?'):
        load_config(folder / "c.yaml")


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file or directory"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be read: .*null"):
        load_config("a\0b")


def test_file_that_is_not_text(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"run: a\nseed: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2 not UTF-8 text"):
        load_config(tmp_path / "c.yaml")


def test_byte_order_mark_and_windows_line_ends(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbf" + COMPLETE.replace("\n", "\r\n").encode())
    assert load_config(tmp_path / "c.yaml").seed == 7


def problems_of(text):
    try:
        parse_config(text, "c.yaml")
    except ConfigError as error:
        return error.problems
    return None


LINES = COMPLETE.splitlines(keepends=True)
edits = st.tuples(
    st.integers(0, len(LINES) - 1),
    st.sampled_from(
        ["drop", "repeat", "indent", "dedent", "cut", "null", "number", "text", "list", "mapping", "noise"]
    ),
    st.text(max_size=8),
)


def _edited(lines, edit):
    index, kind, noise = edit
    line = lines[index].rstrip("\n")
    key = line.split(":")[0]
    new = {
        "drop": "",
        "repeat": f"{line}\n{line}\n",
        "indent": f"  {line}\n",
        "dedent": f"{line[2:]}\n",
        "cut": f"{line[: len(line) // 2]}\n",
        "null": f"{key}: null\n",
        "number": f"{key}: -1.5\n",
        "text": f"{key}: abc\n",
        "list": f"{key}: [1, a, {{}}]\n",
        "mapping": f"{key}: {{name: 1, a: [b], H: c}}\n",
        "noise": f"{line}{noise}\n",
    }[kind]
    return [*lines[:index], new, *lines[index + 1 :]]


@pytest.mark.parametrize("key", ["[key]", "", " ", "<<x", "data"])
def test_keys_that_mean_something_elsewhere(key):
    messages = [problem.message for problem in problems_of(f'{COMPLETE}\n"{key}": {{name: a}}\n')]
    assert any(("unknown key" in message) or ("duplicate key" in message) for message in messages)


def test_endless_problems_are_cut_short():
    problems = problems_of("".join(f"key{k}: 1\n" for k in range(5000)))
    assert len(problems) == 101
    assert problems[0].message.startswith("unknown key") or problems[0].message.startswith("missing")
    assert problems[-1].message == "and more problems; fix these first"


@settings(derandomize=True, database=None, max_examples=300, deadline=None)
@given(st.lists(edits, min_size=1, max_size=4) | st.text(max_size=50))
def test_any_text_is_a_configuration_or_refused_with_lines(edits_or_text):
    lines = LINES
    for edit in edits_or_text if isinstance(edits_or_text, list) else []:
        lines = _edited(lines, edit)
    text = edits_or_text if isinstance(edits_or_text, str) else "".join(lines)
    problems = problems_of(text)
    assert problems is None or problems
    for problem in problems or ():
        assert problem.file == "c.yaml"
        assert problem.message
        assert problem.line is None or 1 <= problem.line <= len(text.splitlines()) + 1
        assert not any(word in problem.message for word in ("pydantic", "Input should", "NoneType", "union"))
