"""Training of the runs of a study, one by one; several processes may work on one study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from signal import Signals

from potentials.config.messages.descriptions import counted
from potentials.durations import format_duration
from potentials.errors import FolderInUseError, PotentialsError
from potentials.studies.record import write_record
from potentials.studies.results import RunResult, finished_result
from potentials.studies.runs import Plan, StudyRun
from potentials.training.run import train

Say = Callable[[str], None]


@dataclass
class QueueOutcome:
    """The state of all runs after working on the queue."""

    finished: list[RunResult] = field(default_factory=list)
    """Finished by this or another process."""
    failed: dict[StudyRun, str] = field(default_factory=dict)
    """Failed runs with the reason."""
    running_elsewhere: list[StudyRun] = field(default_factory=list)
    """Runs that another process is training."""
    interrupted: bool = False
    signal: Signals | None = None
    """Signal that interrupted the queue."""


def work(plan: Plan, say: Say) -> QueueOutcome:
    """Train all runs that are not finished and not being trained by another process.

    If a run fails (for example because its loss became infinite), it is reported and skipped; the next call tries it
    again. An interrupted run continues. A lock in the folder of each run keeps processes apart, so any number of them,
    on one or several machines with a common file system, can work on one study.

    Args:
        plan: the study.
        say: called with messages for the user.

    Returns:
        The state of all runs.
    """
    write_record(plan.study, plan.base)
    outcome = QueueOutcome()
    waiting = []
    for run in plan.runs:
        done = finished_result(plan, run)
        if done is None:
            waiting.append(run)
        else:
            outcome.finished.append(done)
    say(f"{plan.study.folder}: {counted(len(plan.runs), 'run')}, {len(outcome.finished)} finished")
    for position, run in enumerate(waiting):
        if outcome.interrupted:
            break
        _work_on(plan, run, outcome, waiting[position + 1 :], say)
    return outcome


def _work_on(plan: Plan, run: StudyRun, outcome: QueueOutcome, rest: Sequence[StudyRun], say: Say) -> None:
    done = finished_result(plan, run)
    if done is not None:  # by another process, in the meantime
        outcome.finished.append(done)
        return
    try:
        result = train(plan.config(run), progress=False)
    except FolderInUseError:
        outcome.running_elsewhere.append(run)
        return
    except PotentialsError as error:
        outcome.failed[run] = str(error)
        say(f"{run}: failed: {error}")
        return
    outcome.interrupted, outcome.signal = result.interrupted, result.signal
    done = finished_result(plan, run)
    if done is None:
        say(f"{run}: interrupted; run the same command again to continue")
        return
    outcome.finished.append(done)
    if not result.was_finished:  # by another process, a moment ago
        say(f"{run}: {_errors(done)}, {_duration(done.seconds)}{_left(outcome.finished, rest)}")


def _errors(result: RunResult) -> str:
    shown = [(name, result.errors.get(f"{name}_rmse"), unit) for name, unit in _UNITS.items()]
    return ", ".join(f"{name.partition('_')[0]} RMSE {1e3 * value:.4g} {unit}" for name, value, unit in shown if value)


_UNITS = {"forces": "meV/A", "energy_per_atom": "meV/atom"}


def _left(finished: Sequence[RunResult], rest: Sequence[StudyRun]) -> str:
    """Estimate the computing time of the remaining runs from finished ones of the same variant, or from all."""
    if not rest:
        return ""
    everywhere = [result.seconds for result in finished]
    total = 0.0
    for run in rest:
        same = [result.seconds for result in finished if result.run.variant == run.variant] or everywhere
        total += sum(same) / len(same)
    return f"; {counted(len(rest), 'run')} left, about {_duration(total)} of computing time"


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=round(seconds)))
