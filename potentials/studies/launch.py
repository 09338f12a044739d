"""Several processes for one study: on this machine or as SLURM jobs, with submitit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from potentials.config.messages.descriptions import counted
from potentials.errors import PotentialsError, TrainingError


def launch(study: Path, folder: Path, workers: int, slurm: Sequence[str] | None, say: Callable[[str], None]) -> None:
    """Start processes that work on the study's queue; wait for local ones and print their output.

    Local processes use the GPUs of this machine in turn. Without GPUs they share its cores evenly, unless
    OMP_NUM_THREADS sets the number of threads of each.

    Args:
        study: file with the description.
        folder: folder of the study; submitit writes its logs there.
        workers: number of processes or SLURM jobs.
        slurm: options for SLURM, `key=value`; None runs on this machine.
        say: called with messages for the user.

    Raises:
        PotentialsError: submitit is not installed, an option is invalid, or SLURM rejects the jobs.
        TrainingError: a process of this machine failed.
    """
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise PotentialsError(
            "several processes require the package submitit: pip install -c constraints.txt -e '.[cluster]' in the "
            "clone. Or start this command several times without --workers: the processes share the runs"
        ) from error
    logs = folder.resolve() / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    parameters = _parameters(slurm)
    gpus = _gpus() if slurm is None else []
    threads = _threads(workers) if slurm is None and not gpus else None
    try:
        executor = submitit.AutoExecutor(logs, cluster="local" if slurm is None else "slurm")
        executor.update_parameters(**parameters)
        with executor.batch():
            jobs = [
                executor.submit(work_alone, str(study.resolve()), threads, gpus[k % len(gpus)] if gpus else None)
                for k in range(workers)
            ]
    except (*_SUBMISSION_ERRORS, submitit.core.utils.FailedSubmissionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise PotentialsError(f"the processes could not be started ({what}); check the options of --slurm") from error
    each = f" with {counted(threads, 'thread')} each" if threads else ""
    number = counted(workers, "process", "processes") if slurm is None else counted(workers, "job")
    say(f"{number}{each} {'works' if workers == 1 else 'work'} on {folder}; logs are in {logs}")
    if slurm is not None:
        say("for results, run the same command with --report (at any time)")
        return
    _repeat_words(jobs, say)
    failed = [job for job in jobs if job.exception() is not None]
    if failed:
        raise TrainingError(
            f"{len(failed)} of {counted(workers, 'process', 'processes')} failed: {failed[0].exception()}"
        )


def work_alone(study: str, threads: int | None = None, gpu: str | None = None) -> int:
    """Work on the queue in one process, with a number of threads or on one GPU; return the number of finished runs."""
    if gpu is not None:  # before PyTorch is initialized; submitit renumbers them for each process
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    import torch

    import potentials.models  # noqa: F401  (registers the families)
    from potentials.studies.queue import work
    from potentials.studies.runs import Plan
    from potentials.studies.study import load_study

    if threads is not None:
        torch.set_num_threads(threads)
    return len(work(Plan(load_study(study)), print).finished)


def _threads(workers: int) -> int | None:
    """Return an even share of this machine's cores; None if OMP_NUM_THREADS is set."""
    if "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, len(os.sched_getaffinity(0)) // workers) if hasattr(os, "sched_getaffinity") else 1


def _gpus() -> list[str]:
    """Return the value of CUDA_VISIBLE_DEVICES for each available GPU."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return []
    named = [name.strip() for name in visible.split(",")] if visible else []
    return named or [str(number) for number in range(torch.cuda.device_count())]


def _repeat_words(jobs: Sequence[Any], say: Callable[[str], None]) -> None:
    """Print each line of output of the processes, without submitit's own, until all have ended."""
    num_printed = [0] * len(jobs)
    while True:
        all_done = all(job.done() for job in jobs)  # before the last output is read
        for number, job in enumerate(jobs):
            text = job.stdout() or ""
            lines = text[: text.rfind("\n") + 1].splitlines()
            for line in lines[num_printed[number] :]:
                if not line.startswith("submitit "):
                    say(line)
            num_printed[number] = len(lines)
        if all_done:
            return
        time.sleep(_INTERVAL)


def _parameters(slurm: Sequence[str] | None) -> dict[str, Any]:
    """Convert the options to submitit's names."""
    if slurm is None:
        return {"timeout_min": 60 * 24 * 365, "gpus_per_node": 0}
    parameters: dict[str, Any] = {"name": "learning-curve", "nodes": 1, "tasks_per_node": 1}
    for option in slurm:
        key, equals, value = option.partition("=")
        if not equals or not key or not value:
            raise PotentialsError(f"--slurm: expected key=value, such as partition=gpu; got {option!r}")
        name = {"time": "timeout_min"}.get(key, key if key in _SUBMITIT else f"slurm_{key}")
        parameters[name] = int(value) if value.isdigit() else value
    return parameters


_SUBMISSION_ERRORS = (RuntimeError, ValueError, OSError, AssertionError, NameError, TypeError)
"""Exceptions of submitit for invalid options."""
_SUBMITIT = ("nodes", "gpus_per_node", "cpus_per_task", "mem_gb", "timeout_min", "name", "stderr_to_stdout")
"""Options that submitit names equally on every cluster; others are SLURM's own."""

_INTERVAL = 1.0
"""Seconds between reads of the output."""
