import json

import pytest

from potentials import Potential
from potentials.config import family_config
from potentials.potential.model_file import save


@pytest.fixture
def model(tmp_path):
    config = {
        "name": "mace",
        "cutoff": 4.5,
        "channels": 4,
        "edge_degree": 1,
        "feature_degree": 0,
        "elements": ["H", "O"],
        "average_neighbors": 3.0,
        "scale": 0.7,
        "shift": {"H": 0.1, "O": -0.2},
    }
    metadata = {
        "training_data": "0123abcd",
        "config": {"run": "water"},
        "epoch": 12.0,
        "validation_errors": {"energy_per_atom": {"rmse": 0.0015}, "forces": {"rmse": 0.0234}, "stress": None},
    }
    potential = Potential(family_config(config), {"H": -13.6, "O": -432.1}, "float64", metadata)
    file = tmp_path / "water.potential"
    save(potential, file)
    return file, potential


def test_says_what_the_model_is(potentials, model):
    file, potential = model
    result = potentials("inspect", file)
    assert result.exit_code == 0, result.output
    numbers = sum(tensor.numel() for tensor in potential.model.state_dict().values())
    for words in (
        "mace",
        "4.5 A",
        "H -13.600000, O -432.100000 eV",
        "float64",
        f"{numbers:,}",
        "channels 4",
        "water, epoch 12",
        "sha256 0123abcd",
        "energy 1.50 meV/atom, forces 23.4 meV/A",
        "kernels",
        "splines of",
    ):
        assert words in result.stdout


def test_json_is_the_whole_header(potentials, model):
    file, _ = model
    header = json.loads(potentials("inspect", file, "--json").stdout)
    assert header["file"] == str(file)
    assert header["bytes"] == file.stat().st_size
    assert header["model"]["shift"] == {"H": 0.1, "O": -0.2}
    assert header["metadata"]["epoch"] == 12.0
    assert header["versions"]["potentials"]
    assert header["kernels"]
    assert header["dynamics"]["knots"] > 1
    assert header["dynamics"]["force_error"] <= 1e-8


def test_a_truncated_file(potentials, model):
    file, _ = model
    file.write_bytes(file.read_bytes()[:500])
    result = potentials("inspect", file)
    assert result.exit_code == 2
    assert str(file) in result.stderr.replace("\n", "")
    assert "truncated" in result.stderr


def test_a_missing_file(potentials):
    result = potentials("inspect", "missing.potential")
    assert result.exit_code == 2
    assert "missing.potential" in result.stderr
