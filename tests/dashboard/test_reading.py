"""What is read of single files, whatever stands in them."""

import io
import json
import os
import socket
import time
from datetime import datetime

import psutil
import pytest
from run_folders import METRICS, metrics_row, write_run

from potentials.dashboard.details import error_rows
from potentials.dashboard.reading import log_warnings
from potentials.dashboard.reading.configuration import differences, flat_configuration, seconds
from potentials.dashboard.reading.folder import Folder
from potentials.dashboard.reading.liveness import life
from potentials.dashboard.reading.log_warnings import LogWarnings, frames_in, last_lines
from potentials.dashboard.reading.runs import find_runs
from potentials.dashboard.reading.tails import last_best_row, last_rows
from potentials.dashboard.watch import RunWatch


def summary_of(path):
    folder = Folder(path)
    (run,) = find_runs(folder).runs
    return RunWatch(folder, run).summary()


# --- ends of CSV files


@pytest.mark.parametrize("best", [0, 1, 1500, 2998, 2999])
def test_the_best_row_is_found_from_the_end(best):
    rows = [metrics_row(step, 10.0 + step, step in (best, best // 2)) for step in range(3000)]
    found = last_best_row(io.BytesIO((METRICS + "".join(rows)).encode()))
    assert found["step"] == str(best)


def test_half_a_row_is_no_row():
    whole = METRICS + metrics_row(1, 5.0, True) + metrics_row(2, 4.0, True)
    for cut in range(len(METRICS), len(whole)):
        file = io.BytesIO(whole[:cut].encode())
        expected = whole[:cut].count("\n") - 1
        assert [row["step"] for row in last_rows(file)] == ["1", "2"][:expected]
        assert (last_best_row(file) or {"step": "0"})["step"] == str(expected)


def test_only_the_end_is_read():
    text = METRICS + "".join(metrics_row(step, 5.0, False) for step in range(10_000))
    rows = last_rows(io.BytesIO(text.encode()), 4096)
    assert [int(row["step"]) for row in rows] == list(range(10_000 - len(rows), 10_000))
    assert 20 < len(rows) < 60


# --- configurations


def test_a_configuration_is_flat_text():
    text = b"run: a\nmodel: {name: mace, radial: {size: 8}, mlp: [64, {a: [1]}], zbl: null}\nempty: {}\n"
    assert flat_configuration(text) == {
        "run": "a",
        "model.name": "mace",
        "model.radial.size": "8",
        "model.mlp": "[64, {a: [1]}]",
        "model.zbl": "null",
        "empty": "{}",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "empty"),
        (b"- 1\n- 2\n", "no keys"),
        (b"a: [1, 2\nb: 3", "not YAML"),
        (b"\xff\xfe\xfa", "not YAML"),
        (b"[" * 200_000, "levels of nesting"),
        (b"a: " + b"- " * 100_000, "levels of nesting|not YAML"),
        (b"a: &x [1]\nb: *x\n", "alias"),
        (b"".join(b"k%d: 1\n" % number for number in range(20_000)), "more than"),
        (b"!!python/object/apply:os.system ['touch /tmp/owned']", "no keys"),
    ],
)
def test_what_is_no_configuration_is_said(text, why):
    found = flat_configuration(text)
    assert isinstance(found, str)
    assert any(part in found for part in why.split("|")), found


def test_differences_are_the_keys_that_differ():
    one, two, three = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4"}, {"a": "1", "b": "2", "d": "5"}
    assert differences([one, two, three]) == [
        ("b", ["2", "4", "2"]),
        ("c", ["3", None, None]),
        ("d", [None, None, "5"]),
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("1m 40s", 100), ("2d 1h", 176_400), ("0.5s", 0.5), ("null", None), ("x", None), (None, None)]
)
def test_durations(text, value):
    assert seconds(text) == value


# --- warnings


def test_warnings_are_read_as_the_log_grows(tmp_path):
    path, found = tmp_path / "log.txt", LogWarnings()
    path.write_text("2026-01-01 00:00:00  warning: one\n2026-01-01 00:00:01  epoch 1\n2026-01-01 00:00:02  warn")
    with path.open("rb") as file:
        found.update(file)
    assert [warned.text for warned in found.latest] == ["one"]
    with path.open("a") as log:
        log.write("ing: two\n")
    with path.open("rb") as file:
        found.update(file)
        found.update(file)
    assert ([warned.text for warned in found.latest], found.count, found.exact) == (["one", "two"], 2, True)


def test_of_a_long_log_beginning_and_end_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(log_warnings, "_HEAD", 2000)
    monkeypatch.setattr(log_warnings, "_TAIL", 3000)
    lines = [f"2026-01-01 00:00:00  warning: {n}\n" for n in range(1000)]
    path, found = tmp_path / "log.txt", LogWarnings()
    path.write_text("".join(lines))
    with path.open("rb") as file:
        found.update(file)
    assert not found.exact
    assert found.latest[-1].text == "999"
    assert found.count == len("".join(lines)[:2000].splitlines()[:-1]) + len("".join(lines)[-3000:].splitlines()[1:])


def test_a_huge_line_and_bytes_that_are_no_text(tmp_path):
    path, found = tmp_path / "log.txt", LogWarnings()
    path.write_bytes(b"2026-01-01 00:00:00  warning: \xff\xfe" + b"x" * 150_000 + b"\n")
    with path.open("rb") as file:
        found.update(file)
        assert len(found.latest[0].text) < 2100
        assert all(len(line) < 700 for line in last_lines(file))


def test_frames_that_warnings_name():
    text = "its frames with the largest losses: builtin:copper, frame 3 (38.1), a.xyz, frame 322 (0.395)"
    assert [(found.source, found.frames) for found in frames_in(text)] == [
        ("builtin:copper", "3 (38.1)"),
        ("a.xyz", "322 (0.395)"),
    ]
    text = "39 frames repeat others, in 39 frames (/data/train.xyz: 168, 169, ...). They count twice"
    assert [(found.source, found.frames) for found in frames_in(text)] == [("/data/train.xyz", "168, 169, ...")]


# --- whether a run is alive


def status(pid, started):
    return {"host": socket.gethostname(), "pid": pid, "started": started}


def test_a_process_that_is_there_is_alive_and_one_that_came_later_is_another():
    now = datetime.now().astimezone().isoformat()
    assert life(status(os.getpid(), now), 0.0, None).alive
    long_ago = datetime.fromtimestamp(psutil.Process().create_time() - 1000).astimezone().isoformat()
    assert not life(status(os.getpid(), long_ago), time.time(), None).alive
    assert "ended" in life(status(2**22 + 5, now), time.time(), None).note


@pytest.mark.parametrize("told", [{}, {"host": "elsewhere", "pid": 1, "started": "x"}, {"pid": "12"}, {"host": 3}])
def test_elsewhere_it_is_by_its_files(told):
    assert life(told, time.time() - 60, None).alive
    assert not life(told, time.time() - 600, None).alive
    assert life(told, time.time() - 600, 200.0).alive


# --- rows


def test_a_finished_run(tmp_path):
    write_run(tmp_path / "water", log="2026-01-01 00:00:00  warning: one\n")
    (tmp_path / "water" / "report.html").write_text("<html>")
    row = summary_of(tmp_path)
    assert (row.name, row.state, row.note, row.family) == ("water", "finished", "all epochs completed", "mace")
    assert (row.epoch, row.max_epochs, row.elapsed, row.left) == (2.0, 10, 20.0, None)
    assert (row.best["forces"], row.best["epoch"], row.best_is_last) == (82.0, pytest.approx(1.9), False)
    assert row.hardware == {"frames_per_s": 60.0, "cpu_percent": 150.0, "memory_MB": 900.0, "gpu_memory_MB": None}
    assert (row.warnings, row.warnings_exact, row.report, row.problems) == (1, True, True, [])


def test_time_left_of_a_running_run(tmp_path):
    """0.01 epochs a step of 0.1 s: the 8 epochs that are left take 80 s, or 30 s where `max_time` ends it before."""
    config = "model: {name: mace}\ntrain: {max_epochs: 10, max_time: null}\n"
    write_run(tmp_path / "water", state="running", config=config)
    assert summary_of(tmp_path).left == pytest.approx(80)
    write_run(tmp_path / "water", state="running", config=config.replace("null", "50s"))
    assert summary_of(tmp_path).left == pytest.approx(30)


BROKEN = {
    "status.json": [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff\x00",
        b'{"state": 3}',
        b'{"state": "running", "pid": "x", "epoch": NaN}',
        b'{"state": "running", "epoch": 1e400, "elapsed": -1, "max_epochs": true}',
        b"[" * 60000,
    ],
    "resolved.yaml": [
        b"",
        b"a: [",
        b"\xff",
        b"- 1",
        b"[" * 100_000,
        b"model: 3",
        b"train: {max_epochs: -1, max_time: 1x}",
    ],
    "metrics.csv": [b"", b"\x00" * 99, b"step", b"step,best\n1", b"step,epoch\nx,y\n", b"best,step\n,,,,\n\n,\n"],
    "steps.csv": [b"", b"step,epoch,time_s\n1,nan,inf\n2,-inf,1e999\n", b"step\n" + b"9" * 200_000],
    "log.txt": [b"", b"\xff\n" * 99, b"x" * 2_000_000, b"2026-01-01 00:00:00  warning: \n"],
    "errors.json": [b"", b"[]", b'{"splits": 3}', b'{"splits": [3, {"errors": []}]}'],
}


@pytest.mark.parametrize(("name", "contents"), [(name, text) for name in BROKEN for text in BROKEN[name]])
def test_broken_files_do_not_take_the_rest_along(tmp_path, name, contents):
    run = write_run(tmp_path / "water", state="running")
    (run / name).write_bytes(contents)
    row = summary_of(tmp_path)
    assert row.name == "water"
    if name not in ("metrics.csv", "steps.csv"):
        assert row.learning_rate == 0.01


def test_error_tables_are_in_milli_units():
    text = json.dumps(
        {
            "splits": [
                {
                    "split": "test",
                    "frames": 3,
                    "errors": {
                        "forces": {"mae": 0.01, "rmse": 0.02},
                        "energy_per_atom": {"rmse": 0.003},
                        "stress": None,
                    },
                    "elements": {"H": {"mae": 0.5, "rmse": float("nan")}},
                    "groups": {"hot": {"forces": {"mae": 1}}},
                }
            ]
        }
    )
    part, element, group = error_rows(text.encode())
    assert (part["forces_mae"], part["forces_rmse"], part["energy_rmse"], part["stress_rmse"]) == (10, 20, 3, None)
    assert (element["name"], element["forces_mae"], element["forces_rmse"]) == ("H", 500, None)
    assert (group["name"], group["forces_mae"], group["energy_mae"]) == ("hot", 1000, None)


@pytest.mark.parametrize(
    "text", [None, *BROKEN["errors.json"], b"{", b'{"splits": [{"split": "\\ud800", "errors": 1}]}']
)
def test_other_error_tables_are_left_out(text):
    json.dumps(error_rows(text)).encode()
