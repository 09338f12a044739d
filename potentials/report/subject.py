"""What a report is about: a potential, the data it is held against, and the run it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from potentials.data.labels import LabelledFrame
from potentials.potential import Potential
from potentials.training.run_folder import RunFolder


@dataclass(frozen=True)
class Subject:
    """What a report is about."""

    potential: Potential
    """In evaluation mode, not compiled."""
    model_file: Path
    parts: Mapping[str, Sequence[LabelledFrame]]
    """`train`, `validation` and the names of test sets; or the data that were given; may be empty."""
    run: RunFolder | None
    """Where the model came from, if its folder is there."""
    budget: float
    """Seconds that a section which simulates may take."""
    seed: int = 1
