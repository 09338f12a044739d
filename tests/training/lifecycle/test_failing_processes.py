"""What happens to the other processes when one fails, is killed, or is told to stop; nobody may be left waiting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slow_cases import slow_but
from toy_family import toy_run

from potentials.config import dump_config

TESTS = Path(__file__).parents[2]
SCRIPT = """
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, {tests!r})
import toy_family
toy_family.register_toy()
from potentials.config import load_config
from potentials.errors import DataError, PotentialsError
from potentials.training.module import TrainingModule
from potentials.training.run import train

rank = int(os.environ.get("LOCAL_RANK", "0"))
Path(f"process-{{rank}}").write_text(str(os.getpid()))
original = TrainingModule.training_step
def step(self, batch, index):
    time.sleep(0.02)
    if index == 1 and self.current_epoch == 1:
        {act}
    return original(self, batch, index)
TrainingModule.training_step = step
try:
    result = train(load_config("config.yaml"), progress=True)
except PotentialsError as error:
    sys.exit(f"error: {{error}}")
if rank == 0:
    time.sleep({pause})
sys.exit(130 if result.interrupted else 0)
"""
SECONDS = 60


@contextmanager
def running(folder: Path, act: str = "pass", pause: float = 0.0, **changes) -> Iterator[subprocess.Popen[str]]:
    """Two processes that train; whatever is left of them in the end is killed."""
    options = {"train__max_epochs": 1000, "train__devices": 2, **changes}
    (folder / "config.yaml").write_text(dump_config(toy_run(folder, **options)))
    (folder / "script.py").write_text(SCRIPT.format(tests=str(TESTS), act=act, pause=pause))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    command = [sys.executable, "script.py"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        for number in processes(folder):
            if alive(number):
                os.kill(number, signal.SIGKILL)
        process.kill()
        process.wait()


def processes(folder: Path) -> list[int]:
    return [int(file.read_text() or 0) for file in sorted(folder.glob("process-?"))]


def alive(number: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to notice does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ended(folder: Path, process: subprocess.Popen[str]) -> str:
    """Wait for the end of all; their messages."""
    _, messages = process.communicate(timeout=SECONDS)
    deadline = time.monotonic() + SECONDS
    while any(alive(number) for number in processes(folder)):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.05)
    assert "Traceback" not in messages, messages
    return messages


def wait_for_epoch(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not (folder / "run" / "last.ckpt").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("rank", slow_but([0, 1], "0"))
def test_an_error_in_one_process_ends_all_with_its_message(tmp_path, rank):
    with running(tmp_path, f"if rank == {rank}: raise DataError('file.xyz, frame 3: bad')") as process:
        messages = ended(tmp_path, process)
    assert process.returncode != 0
    assert messages.count("error: file.xyz, frame 3: bad") == 1
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] != "finished"


@pytest.mark.slow
def test_an_error_in_all_processes_is_said_once(tmp_path):
    with running(tmp_path, "raise DataError('the loss became nan')") as process:
        messages = ended(tmp_path, process)
    assert process.returncode == 1
    assert messages.count("error: ") == messages.count("error: the loss became nan") == 1


@pytest.mark.slow
def test_a_process_that_is_killed_is_named(tmp_path):
    with running(tmp_path, "if rank == 1: os.kill(os.getpid(), 9)") as process:
        messages = ended(tmp_path, process)
    assert process.returncode == 1
    assert "error: process 1 of 2: process 2 was killed (SIGKILL" in messages


@pytest.mark.slow
def test_no_process_outlives_the_first(tmp_path):
    """Not even one that is busy elsewhere and would not notice for long."""
    with running(tmp_path, "os.kill(os.getpid(), 9) if rank == 0 else time.sleep(600)") as process:
        ended(tmp_path, process)
    assert process.returncode == -signal.SIGKILL
    assert len(processes(tmp_path)) == 2


@pytest.mark.slow
def test_a_signal_to_the_first_process_stops_all_after_the_step(tmp_path):
    """The first may take its time then; Lightning looks every 5 s whether another ended with a code that is not 0."""
    with running(tmp_path, pause=7.0) as process:
        wait_for_epoch(tmp_path, process)
        process.send_signal(signal.SIGTERM)
        messages = ended(tmp_path, process)
    assert process.returncode == 130
    assert messages.count("Run the same command to continue") == 1
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "interrupted"


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_reaches_all(tmp_path):
    """There every process of the group gets the signal."""
    with running(tmp_path) as process:
        wait_for_epoch(tmp_path, process)
        os.killpg(process.pid, signal.SIGINT)
        messages = ended(tmp_path, process)
    assert process.returncode == 130
    assert messages.count("Run the same command to continue") == 1


@pytest.mark.slow
def test_too_few_validation_frames_are_said_before_processes_start(tmp_path):
    with running(tmp_path, data__validation=1) as process:
        messages = ended(tmp_path, process)
    assert process.returncode == 1
    assert messages.count("error: 1 validation frames cannot be distributed over 2 processes") == 1
    assert len(processes(tmp_path)) == 1
