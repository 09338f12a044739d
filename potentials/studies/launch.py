"""Several processes on one study: on this machine or as SLURM jobs, through submitit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from potentials.errors import PotentialsError, TrainingError


def launch(study: Path, folder: Path, workers: int, slurm: Sequence[str] | None, say: Callable[[str], None]) -> None:
    """Start processes that each work on the study's queue; wait for them and repeat their words, except for SLURM's.

    Without GPUs the processes of this machine share its cores evenly, unless OMP_NUM_THREADS says how many each takes.

    Args:
        study: the description.
        folder: of the study; submitit keeps its logs there.
        workers: how many processes, or SLURM jobs.
        slurm: options for SLURM, `key=value`; None stays on this machine.
        say: tells the user what happens.

    Raises:
        PotentialsError: submitit is not installed, an option is not understood, or SLURM refuses.
        TrainingError: a process of this machine ended with an error.
    """
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise PotentialsError(
            "several processes need the package submitit: pip install 'potentials[cluster]'. Or start this command "
            "several times without --workers: the processes share the cells"
        ) from error
    logs = folder.resolve() / "workers"
    logs.mkdir(parents=True, exist_ok=True)
    parameters = _parameters(slurm)
    threads = _threads(workers) if slurm is None else None
    try:
        executor = submitit.AutoExecutor(logs, cluster="local" if slurm is None else "slurm")
        executor.update_parameters(**parameters)
        with executor.batch():
            jobs = [executor.submit(work_alone, str(study.resolve()), threads) for _ in range(workers)]
    except (RuntimeError, ValueError, OSError, submitit.core.utils.FailedSubmissionError) as error:
        raise PotentialsError(f"the processes could not be started: {error}") from error
    each = f" with {threads} threads each" if threads else ""
    say(f"{workers} {'jobs' if slurm is not None else 'processes'}{each} work on {folder}; their words are in {logs}")
    if slurm is not None:
        say("when they are done, or before: the same command with --report")
        return
    _repeat_words(jobs, say)
    failed = [job for job in jobs if job.exception() is not None]
    if failed:
        raise TrainingError(f"{len(failed)} of {workers} processes failed: {failed[0].exception()}")


def work_alone(study: str, threads: int | None = None) -> int:
    """What each process does, with so many threads; the number of cells that are finished then."""
    import torch

    import potentials.models  # noqa: F401  (enters the families)
    from potentials.studies.cells import Plan
    from potentials.studies.queue import work
    from potentials.studies.study import load_study

    if threads is not None:
        torch.set_num_threads(threads)
    return len(work(Plan(load_study(study)), print).finished)


def _threads(workers: int) -> int | None:
    """An even share of this machine's cores; None where something else decides."""
    import torch

    if torch.cuda.is_available() or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, len(os.sched_getaffinity(0)) // workers) if hasattr(os, "sched_getaffinity") else 1


def _repeat_words(jobs: Sequence[Any], say: Callable[[str], None]) -> None:
    """Pass on each line that a process prints, without submitit's own, until all have ended."""
    said = [0] * len(jobs)
    while True:
        all_done = all(job.done() for job in jobs)  # before their last words are read
        for number, job in enumerate(jobs):
            text = job.stdout() or ""
            lines = text[: text.rfind("\n") + 1].splitlines()
            for line in lines[said[number] :]:
                if not line.startswith("submitit "):
                    say(line)
            said[number] = len(lines)
        if all_done:
            return
        time.sleep(_INTERVAL)


def _parameters(slurm: Sequence[str] | None) -> dict[str, Any]:
    """submitit's names of the options."""
    import torch

    if slurm is None:
        gpus = torch.cuda.device_count()
        return {"timeout_min": 60 * 24 * 365, "gpus_per_node": 1 if gpus else 0}
    parameters: dict[str, Any] = {"name": "learning-curve", "nodes": 1, "tasks_per_node": 1}
    for option in slurm:
        key, equals, value = option.partition("=")
        if not equals or not key or not value:
            raise PotentialsError(f"--slurm: expected key=value, such as partition=gpu; got {option!r}")
        name = {"time": "timeout_min"}.get(key, key if key in _SUBMITIT else f"slurm_{key}")
        parameters[name] = int(value) if value.isdigit() else value
    return parameters


_SUBMITIT = ("nodes", "gpus_per_node", "cpus_per_task", "mem_gb", "timeout_min", "name", "stderr_to_stdout")
"""Options that submitit knows by this name on every cluster; others are SLURM's own."""

_INTERVAL = 1.0
"""Seconds between looks at what the processes say."""
