"""Several processes on one study: on this machine or as SLURM jobs, through submitit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from potentials.errors import PotentialsError, TrainingError


def launch(study: Path, folder: Path, workers: int, slurm: Sequence[str] | None, say: Callable[[str], None]) -> None:
    """Start processes that each work on the study's queue; wait for them, except for SLURM's.

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
    try:
        executor = submitit.AutoExecutor(logs, cluster="local" if slurm is None else "slurm")
        executor.update_parameters(**parameters)
        with executor.batch():
            jobs = [executor.submit(work_alone, str(study.resolve())) for _ in range(workers)]
    except (RuntimeError, ValueError, OSError, submitit.core.utils.FailedSubmissionError) as error:
        raise PotentialsError(f"the processes could not be started: {error}") from error
    say(f"{workers} {'jobs' if slurm is not None else 'processes'} work on {folder}; their words are in {logs}")
    if slurm is not None:
        say("when they are done, or before: the same command with --report")
        return
    failed = [job for job in jobs if job.exception() is not None]
    if failed:
        raise TrainingError(f"{len(failed)} of {workers} processes failed: {failed[0].exception()}")


def work_alone(study: str) -> int:
    """What each process does; the number of cells that are finished then."""
    import potentials.models  # noqa: F401  (enters the families)
    from potentials.studies.cells import Plan
    from potentials.studies.queue import work
    from potentials.studies.study import load_study

    return len(work(Plan(load_study(study)), print).finished)


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
