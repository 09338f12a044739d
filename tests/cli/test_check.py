import pytest

CONFIG = """
run: small
data: {{train: {train}, validation: 5, batch_size: 4}}
model: {{name: mace, channels: 4, feature_degree: 0, edge_degree: 1, correlation: 2}}
train: {{max_epochs: 7}}
"""


@pytest.fixture
def config(methanol_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(CONFIG.format(train=methanol_file))
    return file


def test_says_what_the_run_will_cost_and_writes_nothing(potentials, config, tmp_path):
    result = potentials("check", config)
    assert result.exit_code == 0, result.output
    for words in ("train 25 frames, validation 5 frames", "parameters", "7 steps", "at most 7 epochs", "peak"):
        assert words in result.stdout
    assert "data.reference_energies" in result.stderr  # what was inferred
    assert list(tmp_path.iterdir()) == [config]


def test_overrides(potentials, config):
    assert "at most 3 epochs" in potentials("check", config, "train.max_epochs=3").stdout


def test_settings_of_another_family_are_refused(potentials, config):
    result = potentials("check", config, "model.name=nequip")
    assert result.exit_code == 2
    for key in ("feature_degree", "edge_degree", "correlation"):
        assert f"model.{key}" in result.stderr


def test_mistakes_are_told_with_line_and_suggestion(potentials, config):
    config.write_text(config.read_text().replace("channels:", "chanels:").replace("batch_size: 4", "batch_size: four"))
    result = potentials("check", config)
    assert result.exit_code == 2
    assert "small.yaml:4" in result.stderr
    assert 'did you mean "channels"?' in result.stderr
    assert "small.yaml:3" in result.stderr
    assert "Traceback" not in result.output


def test_text_that_is_not_yaml(potentials, config):
    config.write_text("run: [a")
    result = potentials("check", config)
    assert result.exit_code == 2
    assert "small.yaml" in result.stderr


def test_missing_configuration(potentials):
    result = potentials("check", "missing.yaml")
    assert result.exit_code == 2
    assert "missing.yaml" in result.stderr


def test_a_key_the_frames_do_not_have(potentials, config):
    result = potentials("check", config, "data.energy.key=REF_energy")
    assert result.exit_code == 2
    assert "REF_energy" in result.stderr
    assert "energy" in result.stderr


def test_a_gpu_that_is_not_there(potentials, config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = potentials("check", config, "train.accelerator=gpu")
    assert result.exit_code == 2
    assert "no GPU" in result.stderr


def test_a_fit_in_closed_form(potentials, tmp_path):
    file = tmp_path / "config.yaml"
    model = "{name: ace, cutoff: 4.0, polynomial_degree: 6, radial: {size: 4}}"
    file.write_text(f"run: small\ndata: {{train: 'builtin:copper@1:21', validation: 4}}\nmodel: {model}\n")
    result = potentials("check", file)
    assert result.exit_code == 0, result.output
    assert "coefficients, float32" in result.output
    assert " equations, about " in result.output
    assert "epoch" not in result.output
