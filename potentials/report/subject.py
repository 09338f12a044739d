"""What a report is about: a potential, the data it is held against, and the run it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from potentials.data.label import LabeledFrame
from potentials.potential import Potential
from potentials.report.predictions.evaluated import Evaluated, evaluate_splits
from potentials.training.lifecycle.run_folder import RunFolder


@dataclass(frozen=True)
class Subject:
    """What a report is about."""

    potential: Potential
    """In evaluation mode, not compiled."""
    model_file: Path
    splits: Mapping[str, Sequence[LabeledFrame]]
    """`train`, `validation` and the names of test sets; or the data that were given (with `train`, where that can be
    read); may be empty."""
    run: RunFolder | None
    """Where the model came from, if its folder is there."""
    budget: float
    """Seconds that a section which simulates may take."""
    seed: int = 1
    no_data: str = "no data were given: potentials report MODEL DATA"
    """Why there are no splits, where there are none, and what to do about it."""
    remarks: Sequence[str] = ()
    """What a reader has to know about the data."""

    @cached_property
    def evaluated(self) -> Evaluated:
        """The potential's predictions for the splits, made once for all sections."""
        return evaluate_splits(self.potential, self.splits, self.seed, 2 * self.budget)
