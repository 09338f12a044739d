"""The queue: everything is trained once, whatever comes between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from potentials.errors import PotentialsError, TrainingError
from potentials.studies import launch as launch_module
from potentials.studies import queue
from potentials.studies.launch import launch
from potentials.studies.queue import work
from potentials.studies.results import finished_result
from potentials.studies.runs import Plan, StudyRun
from potentials.studies.study import load_study
from potentials.training.run import TrainingResult


def plan(file: Path) -> Plan:
    """Six runs: one seed is enough here."""
    file.write_text(file.read_text().replace("seeds: [1, 2]", "seeds: [1]"))
    return Plan(load_study(file))


@pytest.mark.slow
def test_every_run_once(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(study_file)
    said: list[str] = []
    outcome = work(made, said.append)
    assert {result.run for result in outcome.finished} == set(made.runs)
    assert not outcome.failed
    for result in outcome.finished:
        assert {"forces_rmse", "energy_per_atom_mae", "stress_rmse"} <= result.errors.keys()
    assert "6 runs, 0 finished" in said[0]
    assert "5 runs left, about" in said[1]
    assert "left" not in said[-1]
    monkeypatch.setattr(queue, "train", _never)
    assert work(plan(study_file), said.append).finished == [finished_result(made, run) for run in made.runs]


def _never(*arguments: Any, **options: Any) -> TrainingResult:
    raise AssertionError("trained again")


@pytest.mark.slow
def test_an_interrupted_queue_goes_on(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(study_file)
    train, calls = queue.train, []

    def third_is_interrupted(config: Any, **options: Any) -> TrainingResult:
        calls.append(config.run)
        if len(calls) == 3:
            return TrainingResult(Path(config.run), Path("none"), None, "interrupted")
        return train(config, **options)

    monkeypatch.setattr(queue, "train", third_is_interrupted)
    outcome = work(made, lambda text: None)
    assert outcome.interrupted
    assert len(outcome.finished) == 2
    assert len(calls) == 3
    outcome = work(made, lambda text: None)
    assert len(outcome.finished) == 6
    assert not outcome.interrupted
    assert len(calls) == 3 + 4


@pytest.mark.slow
def test_a_run_that_fails_is_passed_over_and_tried_again(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(study_file)
    train, broken = queue.train, made.folder(StudyRun("wide", 8, 1)).path

    def one_fails(config: Any, **options: Any) -> TrainingResult:
        if Path(config.run) == broken:
            raise TrainingError("the loss became nan")
        return train(config, **options)

    with monkeypatch.context() as patch:
        patch.setattr(queue, "train", one_fails)
        said: list[str] = []
        outcome = work(made, said.append)
    assert outcome.failed == {StudyRun("wide", 8, 1): "the loss became nan"}
    assert len(outcome.finished) == 5
    assert "wide, 8 frames, seed 1: failed: the loss became nan" in said
    assert len(work(made, lambda text: None).finished) == 6


@pytest.mark.slow
def test_runs_of_other_processes_are_left_to_them(study_file: Path) -> None:
    made = plan(study_file)
    run = StudyRun("schnet", 8, 1)
    folder = made.folder(run)
    folder.create()
    with folder.lock():
        outcome = work(made, lambda text: None)
    assert outcome.running_elsewhere == [run]
    assert len(outcome.finished) == 5


@pytest.mark.slow
def test_two_processes_share_the_runs(study_file: Path) -> None:
    said: list[str] = []
    made = plan(study_file)
    launch(study_file, made.study.folder, 2, None, said.append)
    assert all(finished_result(made, run) is not None for run in made.runs)
    words = "".join(file.read_text() for file in (made.study.folder / "workers").glob("*_log.out"))
    for run in made.runs:
        assert words.count(f"{run}: forces RMSE") == 1
    assert "2 processes work on" in said[0]


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn, of those that the user may use, by number or name."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-3f")
    assert launch_module._gpus() == ["2", "GPU-3f"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert launch_module._gpus() == ["0", "1", "2"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert launch_module._gpus() == []


@pytest.mark.parametrize("option", ["time=10:00:00", "mem_gb=much", "bogus=1"])
def test_options_that_slurm_does_not_have(
    option: str, study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for SLURM's own command, which submitit looks for."""
    (tmp_path / "bin").mkdir()
    srun = tmp_path / "bin" / "srun"
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}:{os.environ['PATH']}")
    made = plan(study_file)
    with pytest.raises(PotentialsError, match=r"(?s)could not be started .*check the options of --slurm"):
        launch(study_file, made.study.folder, 1, [option], lambda text: None)


@pytest.mark.long
def test_a_process_that_fails_is_told(study_file: Path) -> None:
    made = plan(study_file)
    study_file.write_text("study: [")
    with pytest.raises(TrainingError, match="1 of 1 process failed"):
        launch(study_file, made.study.folder, 1, None, lambda text: None)


@pytest.mark.slow
def test_another_description_does_not_take_over_the_runs(study_file: Path) -> None:
    work(plan(study_file), lambda text: None)
    text = study_file.read_text()
    for old, new, named in (
        ("steps: 8", "steps: 9", "steps"),
        ("channels: 6", "channels: 7", r"variants\.wide"),
    ):
        study_file.write_text(text.replace(old, new))
        with pytest.raises(PotentialsError, match=f"a study with a different description.*Changed: {named}. Give"):
            plan(study_file)
    base = study_file.parent / "base.yaml"
    known = base.read_text()
    base.write_text(known.replace("weight: 10", "weight: 11"))
    study_file.write_text(text)
    with pytest.raises(PotentialsError, match=r"Changed: base\. Give"):
        plan(study_file)
    base.write_text(known)
    study_file.write_text(text.replace("sizes: [16, 8]", "sizes: [8, 16, 32]").replace("wide:", "wider:"))
    grown = plan(study_file)
    assert finished_result(grown, StudyRun("schnet", 16, 1)) is not None
    assert finished_result(grown, StudyRun("wider", 16, 1)) is None
