"""Training followed by a report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

import torch

from potentials.config.run import RunConfig
from potentials.errors import FolderInUseError, PotentialsError, TrainingError
from potentials.kernels.dispatch import use_kernels
from potentials.potential.devices import choose_device
from potentials.report.report import write_report
from potentials.training.lifecycle.journal import Journal
from potentials.training.lifecycle.processes import is_first_process
from potentials.training.lifecycle.run_folder import RunFolder
from potentials.training.lifecycle.stopping import Interruption, StopRequests
from potentials.training.loggers.report_record import record_report
from potentials.training.run import TrainingResult, train


@dataclass(frozen=True)
class ReportedRun:
    """Result of a run and its report."""

    training: TrainingResult
    report: Path | None
    """Path of the HTML report; `None` if it is disabled, written by another process, or an interruption came first."""
    signal: Signals | None = None
    """Signal that interrupted the report. The run is finished; the next start writes the report."""


def train_and_report(config: RunConfig, *, progress: bool = True) -> ReportedRun:
    """Train as `train` does, then write `report.html` to the run folder (`logging.report`).

    With several heads it is about the first one, and `report-HEAD.html` about each of the others.

    A finished run gets a report if it has none. With several processes the first one writes it.

    Args:
        config: configuration as loaded.
        progress: whether to print messages to the terminal; `log.txt` is always written.

    Raises:
        DataError, TrainingError: as for `train`, or the report cannot be written.
    """
    result = train(config, progress=progress)
    folder = RunFolder(f"{result.folder.absolute()}/")
    there = result.was_finished and folder.report.is_file()
    if result.interrupted or config.logging.report is False or not is_first_process():
        return ReportedRun(result, None)
    if there:
        Journal(None, progress).result(_line(result))
        return ReportedRun(result, folder.report)
    journal = Journal(folder.log, progress)
    stop = StopRequests(None)
    try:
        with stop.listening(), folder.lock(), use_kernels(config.train.kernels):
            _report(config, result, journal)
    except Interruption:
        journal.say(
            "interrupted while the report was written; the run is finished, and the same command writes the report"
        )
        return ReportedRun(result, None, stop.signal)
    except FolderInUseError as error:
        journal.warn(f"{error}; no report is written")
        return ReportedRun(result, None)
    except PotentialsError as error:
        raise TrainingError(
            f"{error}. The run is finished; run the same command to write the report, or set "
            "logging.report=false to skip it"
        ) from error
    return ReportedRun(result, folder.report)


def _report(config: RunConfig, result: TrainingResult, journal: Journal) -> None:
    quick = config.logging.report == "quick"
    journal.say(f"writing the {'quick ' if quick else ''}report (set logging.report: false to skip it)")
    device = torch.device("cpu") if config.train.accelerator == "cpu" else choose_device("auto")
    start = time.monotonic()
    with journal.console.status("report") as status:
        for number, head in enumerate(config.data.heads or [None]):
            output = result.folder / f"report-{head}.html" if number else None
            write_report(
                result.best, output, quick=quick, device=device, head=head, seed=config.seed, say=status.update
            )
    journal.result(_line(result))
    record_report(RunFolder(f"{result.folder.absolute()}/"), config.logging, journal)
    journal.record(f"the report took {time.monotonic() - start:.0f} s")


def _line(result: TrainingResult) -> str:
    return f"{'report':8}{result.folder / 'report.html'}"
