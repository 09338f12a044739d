"""Full disks, read-only folders, damaged checkpoints, files that are gone: said clearly, and nothing good is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import ase.io
import pytest
import torch
from run_comparison import interrupt_at_the_end_of, quietly, rows, same_end
from slow_cases import slow_but
from toy_family import toy_run

import potentials
from potentials.data.read import read_frames
from potentials.errors import DataError, TrainingError
from potentials.files import write_whole
from potentials.training.module import TrainingModule
from potentials.training.run import TrainingResult


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> TrainingResult:
    return quietly(toy_run(tmp_path_factory.mktemp("uninterrupted")))


@pytest.fixture
def interrupted(tmp_path, monkeypatch) -> Path:
    """The folder of a run that was interrupted after two epochs."""
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        return quietly(toy_run(tmp_path)).folder


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def flip(file: Path) -> None:
    """One bit of a weight, where the format itself notices nothing."""
    contents = torch.load(file, weights_only=True)
    weights = contents["state_dict"]["potential.model.coefficients"].numpy().tobytes()
    data = bytearray(file.read_bytes())
    data[data.index(weights) + 2] ^= 1
    file.write_bytes(bytes(data))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def overwrite(file: Path) -> None:
    file.write_text("this is no checkpoint")


def other_contents(file: Path) -> None:
    torch.save({"epoch": 3}, file)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncate, flip, empty, overwrite])
def test_a_damaged_checkpoint_is_told_of_and_the_one_before_is_used(uninterrupted, interrupted, damage):
    damage(interrupted / "last.ckpt")
    result = quietly(toy_run(interrupted.parent))
    log = (interrupted / "log.txt").read_text()
    assert "last.ckpt is damaged" in log
    assert f"continuing from the previous checkpoint, {interrupted / 'previous.ckpt'}" in log
    same_end(uninterrupted, result)


def test_the_checkpoint_is_gone_and_the_one_before_is_there(uninterrupted, interrupted):
    (interrupted / "last.ckpt").unlink()
    same_end(uninterrupted, quietly(toy_run(interrupted.parent)))


@pytest.mark.slow
def test_no_checkpoint_can_be_read(interrupted):
    best = (interrupted / "best.potential").read_bytes()
    truncate(interrupted / "last.ckpt")
    overwrite(interrupted / "previous.ckpt")
    before = {file.name: file.read_bytes() for file in interrupted.glob("*.ckpt")}
    with pytest.raises(TrainingError, match=r"last\.ckpt is damaged.*previous\.ckpt is damaged.*best model so far"):
        quietly(toy_run(interrupted.parent))
    assert (interrupted / "best.potential").read_bytes() == best
    assert {file.name: file.read_bytes() for file in interrupted.glob("*.ckpt")} == before


def test_a_checkpoint_of_another_release(interrupted):
    other_contents(interrupted / "last.ckpt")
    with pytest.raises(TrainingError, match="version None, but this release reads version 1"):
        quietly(toy_run(interrupted.parent))


def test_a_pickled_object_in_a_checkpoint_is_not_loaded(interrupted):
    class Hostile:
        def __reduce__(self):
            return os.system, ("touch /tmp/hostile",)

    torch.save({"potentials": Hostile()}, interrupted / "last.ckpt")
    quietly(toy_run(interrupted.parent))
    assert "last.ckpt is damaged or not a checkpoint" in (interrupted / "log.txt").read_text()
    assert not Path("/tmp/hostile").exists()


def test_a_damaged_status(interrupted):
    (interrupted / "status.json").write_text('{"state": "runn')
    with pytest.raises(TrainingError, match=r"status\.json is damaged"):
        quietly(toy_run(interrupted.parent))


def test_rows_that_were_not_written_to_their_end(uninterrupted, interrupted):
    with (interrupted / "metrics.csv").open("a") as file:
        file.write("3,21,0.5,1,0.00")
    result = quietly(toy_run(interrupted.parent))
    assert [row["epoch"] for row in rows(result)] == [row["epoch"] for row in rows(uninterrupted)]


@pytest.mark.slow
def test_data_that_are_gone_and_come_back(tmp_path, monkeypatch):
    data = tmp_path / "copper.xyz"
    ase.io.write(data, [frame.atoms for frame in read_frames("builtin:copper@1:40")])
    config = toy_run(tmp_path, data__train=str(data))
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        folder = quietly(config).folder
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    data.rename(tmp_path / "elsewhere.xyz")
    with pytest.raises(DataError, match=r"copper\.xyz: no such file"):
        quietly(config)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (tmp_path / "elsewhere.xyz").rename(data)
    assert quietly(config).reason == "max_epochs"


@pytest.mark.parametrize("room", slow_but([0, 4096, 8192, 16384], "4096"))
def test_a_full_disk(uninterrupted, small_disk, room, monkeypatch):
    """Filled after the second epoch up to some room, so that another file is the first that does not fit each time."""
    original = TrainingModule.on_train_epoch_start
    filling = small_disk / "filling"

    def fills(self):
        if self.current_epoch == 2:
            free = shutil.disk_usage(small_disk).free
            filling.write_bytes(b"x" * max(0, free - room))
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "on_train_epoch_start", fills)
        with pytest.raises(TrainingError, match="cannot be written: No space left on device"):
            quietly(toy_run(small_disk))
    folder = small_disk / "run"
    assert potentials.load(folder / "best.potential")
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] >= 14
    with pytest.raises(TrainingError, match="cannot be written: No space left on device"):
        quietly(toy_run(small_disk))
    assert potentials.load(folder / "best.potential")
    filling.unlink()
    same_end(uninterrupted, quietly(toy_run(small_disk)))


@pytest.mark.slow
def test_a_folder_that_becomes_read_only(small_disk, uninterrupted, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at_the_end_of(patch, 2)
        quietly(toy_run(small_disk))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(TrainingError, match="cannot be written: Read-only file system"):
        quietly(toy_run(small_disk))
    with pytest.raises(TrainingError, match=r"cannot create the folder .*Read-only file system"):
        quietly(toy_run(small_disk, "another"))
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    same_end(uninterrupted, quietly(toy_run(small_disk)))


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path, monkeypatch):
    file = tmp_path / "file"
    write_whole(file, b"first")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_whole(file, b"second")
    assert file.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_links_that_the_file_system_does_not_have(uninterrupted, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(os, "link", no_links)
    result = quietly(toy_run(tmp_path))
    same_end(uninterrupted, result)
    assert torch.load(result.folder / "previous.ckpt", weights_only=True)["global_step"] == 21
    assert signal.getsignal(signal.SIGINT) is handler
