import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from slow_cases import slow_but

import potentials.models  # noqa: F401  (enters the families)
from potentials.config import load_config, parse_config

MODEL_FILES = Path(__file__).parents[1] / "interop" / "model_files"
TINY = ["model.channels=4", "train.max_epochs=1"]


def test_writes_a_configuration_that_check_accepts(potentials, methanol_file, tmp_path):
    config = tmp_path / "config.yaml"
    assert potentials("init", methanol_file, "--output", config).exit_code == 0
    result = potentials("check", config, *TINY)
    assert result.exit_code == 0, result.output
    assert "parameters" in result.stdout


@pytest.mark.parametrize("family", ["mace", "nequip"])
def test_families(potentials, methanol_file, family):
    result = potentials("init", methanol_file, "--model", family)
    assert parse_config(result.stdout).model.name == family


def test_standard_output_is_nothing_but_yaml(methanol_file, tmp_path):
    command = [sys.executable, "-m", "potentials", "init", str(methanol_file)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert yaml.safe_load(result.stdout)["data"]["train"] == str(methanol_file)
    assert "note: energy from" in result.stderr


def test_printed_paths_work_from_any_folder(potentials, methanol_file, monkeypatch):
    monkeypatch.chdir(methanol_file.parent)
    assert parse_config(potentials("init", methanol_file.name).stdout).data.train == str(methanol_file)


def test_written_paths_are_relative_to_the_file_where_they_can_be(potentials, methanol_file, tmp_path):
    inside, outside = methanol_file.parent / "inside.yaml", tmp_path / "new" / "outside.yaml"
    for config in (inside, outside):
        assert potentials("init", methanol_file, "-o", config).exit_code == 0
        assert load_config(config).data.train == str(methanol_file)
    assert yaml.safe_load(inside.read_text())["data"]["train"] == "methanol.xyz"


def test_globs_and_several_files(potentials, methanol_file, aluminium_file):
    pattern = str(methanol_file.parent / "*.xyz")
    config = parse_config(potentials("init", pattern, aluminium_file).stdout)
    assert config.data.train == [pattern, str(aluminium_file)]


def test_does_not_overwrite(potentials, methanol_file, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("mine")
    result = potentials("init", methanol_file, "-o", config)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert config.read_text() == "mine"
    assert potentials("init", methanol_file, "-o", config, "--force").exit_code == 0
    assert config.read_text() != "mine"


def test_missing_file(potentials):
    result = potentials("init", "missing.xyz")
    assert result.exit_code == 2
    assert "missing.xyz" in result.stderr
    assert result.stdout == ""


def test_unknown_family(potentials, methanol_file):
    result = potentials("init", methanol_file, "--model", "maze")
    assert result.exit_code == 2
    assert "mace, nequip" in result.stderr


@pytest.mark.slow
def test_acetylacetone_as_published(potentials, shared_data, tmp_path):
    config = tmp_path / "acac.yaml"
    assert potentials("init", shared_data / "acac" / "train_300K.xyz", "-o", config).exit_code == 0
    settings = load_config(config)
    assert settings.data.energy.key == "energy"
    assert settings.data.forces.key == "forces"
    assert settings.data.stress is None
    assert settings.model.cutoff == 5.0
    assert potentials("check", config, *TINY).exit_code == 0


@pytest.mark.slow
def test_silicon_virials_are_not_taken_without_a_declaration(potentials, shared_data, tmp_path):
    config = tmp_path / "silicon.yaml"
    result = potentials("init", shared_data / "mlearn-si" / "train.xyz", "-o", config)
    assert result.exit_code == 0
    assert '"virial_stress" is not used' in result.stderr
    settings = load_config(config)
    assert settings.data.stress is None
    assert settings.data.virial is None
    assert settings.data.group_key == "group"
    assert "  #   key: virial_stress\n  #   unit: FILL-IN" in config.read_text()
    assert potentials("check", config, *TINY).exit_code == 0


@pytest.mark.parametrize("name", slow_but(["ethanol", "copper"], "ethanol"))
def test_builtin_data(potentials, name, tmp_path):
    config = tmp_path / "config.yaml"
    assert potentials("init", f"builtin:{name}", "-o", config).exit_code == 0
    settings = load_config(config)
    assert settings.data.train == f"builtin:{name}"
    assert (settings.data.stress is not None) == (name == "copper")
    assert potentials("check", config, *TINY).exit_code == 0


def test_fine_tuning_a_potential(potentials, tmp_path):
    """Of another program: what is written is accepted, and names the file and what is kept."""
    model = MODEL_FILES / "sevenn-modals.pth"
    config = tmp_path / "config.yaml"
    made = potentials("init", "builtin:ethanol@3:40", "--start-from", model, "--head", "pbe", "-o", config)
    assert made.exit_code == 0, made.output
    text = config.read_text()
    assert f"start_from: {{file: {model}, head: pbe}}" in text
    assert "reference_energies: from-model" in text
    assert "learning_rate: 0.001" in text
    assert "model:" not in text
    done = potentials("check", config, "train.max_epochs=1", "fine_tune.method=readouts")
    assert done.exit_code == 0, done.output
    assert "readouts: 4 parameters are trained" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["builtin:copper", "--start-from", "MODEL", "--head", "pbe"],
            "the data contain Cu, which",
        ),
        (["builtin:ethanol", "--start-from", "MODEL"], "choose one of pbe, r2scan as head"),
        (["builtin:ethanol", "--start-from", "MODEL", "--model", "mace"], "determines the model"),
        (["builtin:ethanol", "--head", "pbe"], "--head belongs to --start-from"),
        (["builtin:ethanol", "--start-from", "missing.potential"], "missing.potential"),
    ],
    ids=["element", "head", "model", "nothing to start from", "file"],
)
def test_what_cannot_be_fine_tuned(potentials, arguments, message):
    arguments = [MODEL_FILES / "sevenn-modals.pth" if word == "MODEL" else word for word in arguments]
    result = potentials("init", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
