"""Subject of a report: a potential, the data it is compared with, and its training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from potentials.data.label import LabeledFrame
from potentials.potential import Potential
from potentials.report.predictions.evaluated import Evaluated, evaluate_splits
from potentials.training.lifecycle.run_folder import RunFolder

RUN_UNKNOWN = "the folder of the model file contains no resolved.yaml, so its run is unknown"


@dataclass(frozen=True)
class Subject:
    """Subject of a report."""

    potential: Potential
    """The potential in evaluation mode, not compiled."""
    model_file: Path
    splits: Mapping[str, Sequence[LabeledFrame]]
    """`train`, `validation` and test sets by name, or the given data (with `train` if it can be read); may be empty."""
    run: RunFolder | None
    """The run that wrote the model, if its folder exists."""
    budget: float
    """Time limit in seconds of a section that runs simulations."""
    seed: int = 1
    no_data: str = "no data were given; run `potentials report MODEL DATA`"
    """Reason why there are no splits, if there are none, and what to do."""
    remarks: Sequence[str] = ()
    """Remarks for the reader on the data."""

    @cached_property
    def evaluated(self) -> Evaluated:
        """The potential's predictions for the splits, computed once for all sections."""
        return evaluate_splits(self.potential, self.splits, self.seed, 2 * self.budget)
