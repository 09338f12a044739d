"""What a run has come to, as loggers are told of it at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from potentials.data.label.labels import LabeledFrame
from potentials.evaluation.error_table import ErrorTable
from potentials.evaluation.labeled_predictions import Evaluation
from potentials.training.lifecycle.stopping import Interruption


@dataclass(frozen=True, eq=False)
class RunResults:
    """What a run has come to."""

    best: Path
    """The model file."""
    table: ErrorTable
    errors: Path
    """The same as JSON."""
    evaluations: Mapping[str, Evaluation]
    """Of the best model, by split of the data."""
    frames: Mapping[str, Sequence[LabeledFrame]]
    """The frames of these splits, in the order of the evaluations."""

    def figures(self) -> dict[str, float]:
        """The errors of all splits, in milli-units, as `results/test/forces_rmse_meV_per_A`."""
        found: dict[str, float] = {}
        for split in self.table.splits:
            for name, unit in (("energy_per_atom", "meV"), ("forces", "meV_per_A"), ("stress", "meV_per_A3")):
                error = getattr(split.errors, name)
                if error is not None:
                    found[f"results/{split.split}/{name}_mae_{unit}"] = 1e3 * error.mae
                    found[f"results/{split.split}/{name}_rmse_{unit}"] = 1e3 * error.rmse
        return found


@runtime_checkable
class ResultsLogger(Protocol):
    """A logger that stays open after training, to be told of the results."""

    def log_results(self, results: RunResults) -> None:
        """Take note of what the run has come to."""

    def close(self, *, failed: bool) -> None:
        """Write out what is left."""


@contextmanager
def closing(loggers: Sequence[object]) -> Iterator[None]:
    """Close those that stayed open, whatever happens in here; an interruption is no failure."""
    failed = True
    try:
        yield
        failed = False
    except Interruption:
        failed = False
        raise
    finally:
        for logger in loggers:
            if isinstance(logger, ResultsLogger):
                logger.close(failed=failed)
