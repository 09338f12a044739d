"""Every configuration that ships loads, and trains one batch where its data are there."""

from pathlib import Path

import pytest

import potentials.models  # noqa: F401  (enters the families)
from potentials.analysis.rehearsal import rehearse
from potentials.config import RunConfig, load_config
from potentials.data.prepare import prepare

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def _files(config: RunConfig) -> list[Path]:
    data = config.data
    named = data.test.values() if isinstance(data.test, dict) else [data.test]
    entries = [data.train, data.validation, data.isolated_atoms, *named]
    lists = [entry if isinstance(entry, list) else [entry] for entry in entries]
    return [
        Path(name) for names in lists for name in names if isinstance(name, str) and not name.startswith("builtin:")
    ]


def test_there_are_configurations():
    assert {"quickstart", "ethanol", "copper", "acac", "silicon"} <= {file.stem for file in CONFIGS}


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_loads(file):
    config = load_config(file)
    assert config.run == file.stem


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_runs_a_step(file):
    config = load_config(file, ["data.batch_size=1"])
    missing = [path for path in _files(config) if not path.exists()]
    if missing:
        pytest.skip(f"no {missing[0]}")
    prepared = prepare(config)
    assert not prepared.warnings
    assert rehearse(prepared).steps_per_epoch == len(prepared.train)
