"""Runs whose frames stay in their files: the same bits as with frames in memory, and errors that reach the user."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import pytest
import torch
from safetensors.torch import load_file
from slow_cases import slow_but
from toy_family import toy_run

from potentials.cache import CACHE_VARIABLE
from potentials.config import load_config
from potentials.config.run import RunConfig
from potentials.data.builtin import builtin_path
from potentials.data.conversion.convert import convert
from potentials.data.prepare import prepare
from potentials.data.split import reading_in_files as reading
from potentials.data.split import sampling
from potentials.errors import DataError, TrainingError
from potentials.training.run import TrainingResult, train


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    convert(["builtin:copper@1:40"], tmp_path / "copper.aselmdb")
    return tmp_path / "copper.aselmdb"


def run(folder: Path, store: Path, name: str, **changes: object) -> RunConfig:
    return toy_run(folder, name, data__train=str(store), **{"data__loading": "lazy", **changes})


def quietly(config: RunConfig) -> TrainingResult:
    return train(config, progress=False)


@pytest.mark.parametrize("workers", slow_but([0, 2], "0"))
def test_the_same_bits_as_in_memory(workers: int, store: Path, tmp_path: Path) -> None:
    lazy = quietly(run(tmp_path, store, "lazy", data__workers=workers))
    memory = quietly(run(tmp_path, store, "memory", data__loading="memory"))
    ours, theirs = load_file(lazy.best), load_file(memory.best)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert lazy.table == memory.table
    splits = [json.loads((result.folder / "splits.json").read_text()) for result in (lazy, memory)]
    assert splits[0] == splits[1]


def test_the_table_says_what_is_a_sample(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLED_FRAMES", 10)
    result = quietly(run(tmp_path, store, "lazy"))
    assert result.table is not None
    part = result.table.splits[0]
    assert (part.split, part.frames, part.sample_of) == ("train", 10, 28)
    assert "train (sample of 28)" in result.table.text()
    again = quietly(run(tmp_path, store, "lazy"))
    assert again.was_finished
    assert again.table == result.table


def test_a_run_does_not_go_on_with_other_data(store: Path, tmp_path: Path) -> None:
    quietly(run(tmp_path, store, "lazy", train__max_epochs=1))
    frames = ase.io.read(builtin_path("copper"), "1:40")
    for atoms in frames:
        atoms.calc.results["energy"] += 1e-6
    ase.io.write(tmp_path / "other.xyz", frames)
    convert([str(tmp_path / "other.xyz")], store, overwrite=True)
    with pytest.raises(TrainingError, match="data"):
        quietly(run(tmp_path, store, "lazy", train__max_epochs=2))


@pytest.mark.parametrize(("before", "after"), [("lazy", "memory"), ("memory", "lazy")])
def test_a_run_goes_on_when_its_frames_are_loaded_otherwise(
    before: str, after: str, store: Path, tmp_path: Path
) -> None:
    whole = quietly(run(tmp_path, store, "whole", train__max_epochs=2))
    quietly(run(tmp_path, store, "switched", train__max_epochs=1, data__loading=before))
    switched = quietly(run(tmp_path, store, "switched", train__max_epochs=2, data__loading=after))
    ours, theirs = load_file(switched.best), load_file(whole.best)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert switched.table == whole.table


def test_statistics_of_a_sample_do_not_stop_a_run(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = quietly(run(tmp_path, store, "run", train__max_epochs=1, data__loading="memory"))
    monkeypatch.setattr(sampling, "SAMPLED_FRAMES", 10)
    other = prepare(run(tmp_path, store, "run", train__max_epochs=2)).config
    assert other.model.scale != load_config(first.folder / "resolved.yaml").model.scale
    continued = quietly(run(tmp_path, store, "run", train__max_epochs=2))
    assert load_config(continued.folder / "resolved.yaml").model == load_config(first.folder / "resolved.yaml").model
    assert json.loads((continued.folder / "status.json").read_text())["epoch"] == 2


@pytest.mark.parametrize("workers", slow_but([0, 2], "0"))
def test_a_bad_frame_ends_training_with_its_name(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLED_FRAMES", 2)
    monkeypatch.setattr(sampling, "_RARE", 1)
    monkeypatch.setattr(reading, "_CHECKED", 2)
    frames = ase.io.read(builtin_path("copper"), "1:40")
    frames[17].calc.results["forces"][2, 1] = float("inf")
    ase.io.write(tmp_path / "bad.xyz", frames)
    convert([str(tmp_path / "bad.xyz")], tmp_path / "bad.h5")
    with pytest.raises(DataError) as caught:
        quietly(run(tmp_path, tmp_path / "bad.h5", "lazy", data__workers=workers))
    assert "bad.h5: 17); correct them, or write NaN" in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.slow
def test_closed_form_fits_read_lazily_too(store: Path, tmp_path: Path) -> None:
    model = {"name": "ace", "cutoff": 3.5, "correlation": 2, "polynomial_degree": 4}
    tables = [
        quietly(run(tmp_path, store, loading, data__loading=loading, model=json.dumps(model))).table
        for loading in ("lazy", "memory")
    ]
    assert tables[0] == tables[1]
