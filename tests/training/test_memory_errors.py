"""A device without enough memory: which batch, how large, and what would fit."""

from __future__ import annotations

import re

import pytest
import torch
from run_comparison import quietly
from toy_family import toy_run

from potentials.errors import TrainingError
from potentials.training.module import TrainingModule

LIMIT = 2290


def runs_out(monkeypatch, method: str, limit: int, error: Exception) -> list[int]:
    """Let a batch of more edges than a limit find no memory; returns the numbers of edges that were tried."""
    original = getattr(TrainingModule, method)
    edges: list[int] = []

    def allocates(self, batch, batch_index):
        edges.append(batch.edge_index.shape[1])
        result = original(self, batch, batch_index)
        if edges[-1] > limit:
            raise error
        return result

    monkeypatch.setattr(TrainingModule, method, allocates)
    return edges


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_training_batch(tmp_path, monkeypatch, error):
    edges = runs_out(monkeypatch, "training_step", LIMIT, error)
    with pytest.raises(TrainingError) as caught:
        quietly(toy_run(tmp_path, data__train="builtin:copper@1:200", data__batch_size=4))
    text = str(caught.value)
    assert f"for training on a batch of 4 frames, {_atoms(text)} atoms, {edges[-1]} edges" in text
    fitting = [number for number in edges if number <= LIMIT]
    assert fitting
    assert f"{max(fitting)} edges. Set data.batch_size: " in text
    assert int(re.search(r"batch_size: (\d+)", text)[1]) in (1, 2, 3)
    assert "more" not in text


def _atoms(text: str) -> str:
    return re.search(r"(\d+) atoms", text)[1]


def test_validation_batch(tmp_path, monkeypatch):
    runs_out(monkeypatch, "validation_step", 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TrainingError, match=r"validating a batch of 6 frames.*Set data.evaluation_batch_size: 3;"):
        quietly(toy_run(tmp_path))


def test_a_single_frame(tmp_path, monkeypatch):
    runs_out(monkeypatch, "training_step", 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TrainingError, match=r"a batch of 1 frames.*The batch is a single frame"):
        quietly(toy_run(tmp_path, data__batch_size=1))


def test_other_errors_are_no_lack_of_memory(tmp_path, monkeypatch):
    runs_out(monkeypatch, "training_step", 0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        quietly(toy_run(tmp_path))


def test_batches_within_a_budget(tmp_path, monkeypatch):
    runs_out(monkeypatch, "training_step", 0, torch.OutOfMemoryError("CUDA out of memory"))
    expected = r"no batch has fit in memory yet\. Set data\.max_atoms_per_batch: \d+ and start"
    with pytest.raises(TrainingError, match=expected):
        quietly(toy_run(tmp_path, data__batch_size="null", data__max_atoms_per_batch=100))
