"""Coordination of several training processes: when one fails, all end with a message."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from lightning import Trainer
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from potentials.errors import PotentialsError, TrainingError

_STARTED_BY = "POTENTIALS_STARTED_BY"
_HEAD_START = 2.0
_WAIT_SECONDS = 10.0
"""Seconds to wait for the first process to end this one, or for another process to report its error."""


def is_first_process() -> bool:
    """Return whether this process writes files and messages, as far as known before the processes are connected.

    Lightning reads the variables of SLURM, torchrun and its own launcher, but not the node rank of a manual start.
    """
    return rank_zero_only.rank == 0 and int(os.environ.get("NODE_RANK", "0")) == 0  # type: ignore[attr-defined]


@contextmanager
def ending_together(trainer: Trainer) -> Iterator[None]:
    """Ensure within the context that no process waits for another one that has ended.

    - A process that fails prints its error and ends. Processes that wait for it lose the connection, which is converted
      to an error of one line that refers to the first error.
    - The first process of a machine, which started the others, ends them when it fails. If all fail for the same
      reason, the message is then printed only once.
    - A process that was started by another process ends when that process ends for any reason.
    - After training, each process may end at any time with any exit code. Lightning would otherwise kill the first
      process, which still evaluates and writes, when another ends with a nonzero code, as after an interruption.

    Processes that a batch system started are managed by it, except for the first point.

    Raises:
        TrainingError: another process ended.
    """
    if trainer.world_size == 1:
        yield
        return
    launcher = trainer.strategy.launcher
    starter = os.environ.get(_STARTED_BY)
    os.environ[_STARTED_BY] = str(os.getpid())  # inherited by the processes that the launcher starts
    stop_watching = threading.Event()
    if starter is not None:
        threading.Thread(target=_end_with, args=(int(starter), stop_watching), daemon=True).start()
    done = False
    try:
        yield
        _stop_observer()
        trainer.strategy.barrier()
        done = True
    except PotentialsError:
        if trainer.global_rank:
            time.sleep(_HEAD_START)
        raise
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        what = _what_ended(_started(launcher))
        raise TrainingError(
            f"process {trainer.global_rank + 1} of {trainer.world_size}: {what}, so this process stopped "
            "too. Run the same command again to continue"
        ) from error
    finally:
        stop_watching.set()
        del os.environ[_STARTED_BY]
        if not done:
            for process in _started(launcher):
                process.kill()


def _stop_observer() -> None:
    for thread in threading.enumerate():
        if isinstance(thread, _ChildProcessObserver):
            thread._child_processes = []  # an empty list ends the thread


def _started(launcher: object) -> Sequence[subprocess.Popen[bytes]]:
    return launcher.procs if isinstance(launcher, _SubprocessScriptLauncher) else ()


def _end_with(starter: int, stop: threading.Event) -> None:
    """Kill this process when it is no longer a child of the process that started it, until the event is set."""
    while not stop.wait(1.0):
        if os.getppid() != starter:
            os.kill(os.getpid(), signal.SIGKILL)


def _is_lost_connection(error: RuntimeError) -> bool:
    """Return whether an error is a lost connection, recognized by the class (NCCL) or the message (gloo)."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)


def _what_ended(started: Sequence[subprocess.Popen[bytes]]) -> str:
    """Wait until one of the started processes has ended, and describe it."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while started and time.monotonic() < deadline:
        for number, process in enumerate(started, start=2):
            code = process.poll()
            if code is not None and code < 0:
                name = signal.Signals(-code).name
                memory = ", possibly by the system because memory ran out" if code == -signal.SIGKILL else ""
                return f"process {number} was killed ({name}{memory})"
            if code:
                return f"process {number} ended; its error message is above"
        time.sleep(0.05)
    return "another process ended; see its error message"
