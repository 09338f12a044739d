import pytest
import torch
from packaging.requirements import Requirement

from potentials.setup import environment


def _find(subject):
    return next(finding for finding in environment.examine() if finding.subject == subject)


def test_a_missing_package_is_broken():
    finding = environment._package(Requirement("no-such-package-anywhere>=1"))
    assert (finding.verdict, finding.value) == ("broken", "not installed")
    assert "pip install" in finding.advice


def test_a_package_that_is_too_old_is_broken():
    finding = environment._package(Requirement("torch>=1000"))
    assert finding.verdict == "broken"
    assert ">=1000 is needed" in finding.value


def test_every_requirement_is_looked_at():
    subjects = {finding.subject for finding in environment.examine()}
    assert {"torch", "lightning", "torch_geometric", "e3nn", "ase", "vesin", "wandb", "safetensors"} <= subjects
    assert "pytest" not in subjects  # of an extra


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    finding = _find("cpu")
    assert finding.verdict == "warning"
    assert "OMP_NUM_THREADS" in finding.advice


@pytest.mark.parametrize(("built_for", "words"), [(None, "built for the CPU"), ("13.0", "cannot use it")])
def test_a_gpu_that_torch_does_not_use(monkeypatch, built_for, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    finding = environment._gpu()
    assert finding.verdict == "warning"
    assert words in finding.value


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setattr(environment.os, "access", lambda folder, mode: False)
    assert environment._folder("current folder", tmp_path).verdict == "broken"


@pytest.mark.parametrize(("mode", "words"), [("online", "logged in"), ("offline", "not logged in"), (None, "disabled")])
def test_wandb_is_what_training_would_do(monkeypatch, mode, words):
    monkeypatch.setattr(environment, "wandb_mode", lambda section: mode)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert words in environment._wandb().value


def test_kernels_that_give_nonsense_are_broken(monkeypatch):
    monkeypatch.setattr(torch, "isfinite", lambda tensor: torch.zeros_like(tensor, dtype=torch.bool))
    assert environment._kernels().verdict == "broken"
