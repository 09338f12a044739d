"""What `status.json` tells whoever watches a run."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from datetime import datetime

import psutil
import pytest

from potentials.training.lifecycle.run_folder import RunFolder, Status


def test_a_start_says_where_it_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    folder = RunFolder(f"{tmp_path}/")
    before = datetime.now().astimezone()
    folder.write_status(Status().begun("data", 30))
    data = json.loads(folder.status_file.read_text())
    assert (data["state"], data["max_epochs"], data["host"]) == ("running", 30, socket.gethostname())
    assert data["pid"] == os.getpid()
    assert psutil.pid_exists(data["pid"])
    for name in ("started", "updated"):
        said = datetime.fromisoformat(data[name])
        assert said.utcoffset() is not None
        assert -1 < (said - before).total_seconds() < 60
    again = folder.status()
    assert again.begun("data", 30).wandb_id == again.wandb_id


def test_the_agent_of_a_sweep_names_the_run(monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "abc123")
    assert Status().begun("data", 1).wandb_id == "abc123"
    assert replace(Status(), wandb_id="mine").begun("data", 1).wandb_id == "mine"


@pytest.mark.parametrize("old", [{}, {"state": "interrupted", "epoch": 3.5, "elapsed": 9.0, "wandb_id": "x"}])
def test_a_status_of_an_earlier_version_is_read(tmp_path, old):
    folder = RunFolder(f"{tmp_path}/")
    folder.status_file.write_text(json.dumps(old))
    status = folder.status()
    assert status.pid is None
    assert status.epoch == old.get("epoch", 0.0)
