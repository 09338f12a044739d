"""Finding runs and opening files, in folders of all kinds."""

import os
from pathlib import Path

import pytest
from ordinary_user import folder_of_root, ordinary_user
from run_folders import write_run

from potentials.dashboard.overview import Overview
from potentials.dashboard.reading import runs
from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.reading.runs import find_runs
from potentials.training.lifecycle.run_folder import RunFolder


def names(path):
    return [run.name for run in find_runs(Folder(path)).runs]


def test_files_are_called_as_training_calls_them():
    folder = RunFolder("some/where")
    assert (*(folder.resolved.name, folder.status_file.name, folder.metrics.name),) == (
        runs.RESOLVED,
        runs.STATUS,
        runs.METRICS,
    )
    assert (folder.errors.name, folder.log.name) == (runs.ERRORS, runs.LOG)


def test_runs_are_found_wherever_they_lie(tmp_path):
    for name in ("run-10", "run-9", "studies/water/cells/a", "run-9/inner", ".hidden/a", "wandb/a"):
        write_run(tmp_path / name)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "metrics.csv").write_text("a,b\n")
    assert names(tmp_path) == ["run-9", "run-9/inner", "run-10", "studies/water/cells/a"]


def test_a_run_itself_can_be_the_folder(tmp_path):
    assert names(write_run(tmp_path / "water")) == ["water"]


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert names(tmp_path) == []
    assert names(tmp_path / "absent") == []


def test_links_are_not_followed(tmp_path):
    write_run(tmp_path / "outside" / "secret")
    inside = write_run(tmp_path / "runs" / "water").parent
    (inside / "loop").symlink_to(inside)
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "linked").mkdir()
    (inside / "linked" / "status.json").symlink_to(tmp_path / "outside" / "secret" / "status.json")
    found = find_runs(Folder(inside))
    assert [run.name for run in found.runs] == ["water"]
    assert any("links" in remark for remark in found.remarks)


def test_the_folder_itself_may_be_a_link(tmp_path):
    write_run(tmp_path / "real" / "water")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(tmp_path / "link") == ["water"]


def test_unreadable_folders_are_reported():
    with folder_of_root() as folder:
        closed = write_run(folder / "closed")
        closed.chmod(0)
        with ordinary_user():
            found = find_runs(Folder(folder))
        closed.chmod(0o755)
    assert any("closed" in remark for remark in found.remarks)


def test_names_that_are_no_text(tmp_path):
    write_run(Path(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9\n<b>")))
    assert names(tmp_path) == ["caf?\n<b>"]


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "/etc/passwd", "link", "folder-link/secret", "pipe", "a", "", "x\0y"]
)
def test_what_is_not_a_file_within_is_not_opened(tmp_path, path):
    inside = tmp_path / "inside"
    (inside / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "folder-link").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe")
    with pytest.raises(OSError), Folder(inside).open(Path(path)):  # noqa: PT011
        pass
    assert Folder(inside).read(Path(path), 100) is None


def test_files_within_are_opened(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("text")
    assert Folder(tmp_path).read(Path("a/b/file"), 4) == b"text"
    assert Folder(tmp_path).read(Path("a/b/file"), 3) is None


def test_no_descriptor_is_left_open(tmp_path):
    write_run(tmp_path / "water")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(20):
        Overview(Folder(tmp_path)).changes(0)
        Folder(tmp_path).read(Path("water/absent"), 9)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_file_that_vanishes_between_looking_and_opening(tmp_path, monkeypatch):
    run = write_run(tmp_path / "water")
    open_file = Folder.open

    def open_removed(folder, relative):
        (run / relative.name).unlink(missing_ok=True)
        return open_file(folder, relative)

    monkeypatch.setattr(Folder, "open", open_removed)
    (row,) = Overview(Folder(tmp_path)).changes(0)["rows"]
    assert row["state"] == "unknown"


def test_only_rows_that_changed_are_sent(tmp_path, monkeypatch):
    monkeypatch.setattr("potentials.dashboard.overview._LOOK_SECONDS", 0.0)
    monkeypatch.setattr("potentials.dashboard.overview._SEARCH_SECONDS", 0.0)
    for name in ("a", "b"):
        write_run(tmp_path / name)
    overview = Overview(Folder(tmp_path))
    first = overview.changes(0)
    assert [row["name"] for row in first["rows"]] == ["a", "b"]
    second = overview.changes(first["revision"])
    assert (second["rows"], second["revision"], "keys" in second) == ([], first["revision"], False)
    write_run(tmp_path / "b", state="interrupted")
    write_run(tmp_path / "c")
    third = overview.changes(first["revision"])
    assert [row["name"] for row in third["rows"]] == ["b", "c"]
    assert len(third["keys"]) == 3
    assert len(overview.changes(10**9)["rows"]) == 3
