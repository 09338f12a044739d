"""Results of a run that are passed to loggers at its end."""

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
    """Results of a run."""

    best: Path
    """File of the best model."""
    table: ErrorTable
    errors: Path
    """JSON file of the error table."""
    evaluations: Mapping[str, Evaluation]
    """Predictions and labels for the best model, by split."""
    frames: Mapping[str, Sequence[LabeledFrame]]
    """Frames of the splits, in the order of the evaluations."""

    def figures(self) -> dict[str, float]:
        """Return the errors of all splits in milli-units, with keys such as `results/test/forces_rmse_meV_per_A`."""
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
    """A logger that stays open after training and accepts results."""

    def log_results(self, results: RunResults) -> None:
        """Log the results of the run."""

    def close(self, *, failed: bool) -> None:
        """Write remaining data and close the logger."""


@contextmanager
def closing(loggers: Sequence[object]) -> Iterator[None]:
    """Close loggers that stayed open at the end of the context; an interruption does not count as a failure."""
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
