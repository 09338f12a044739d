"""Results of the finished runs of a study."""

from __future__ import annotations

import json
from dataclasses import dataclass

from potentials.config import load_config
from potentials.evaluation.error_table import ErrorTable, SplitErrors
from potentials.potential import Potential
from potentials.studies.runs import Plan, StudyRun

_TRAINING_SPLITS = ("train", "validation")
_PROPERTIES = ("energy_per_atom", "forces", "stress")


@dataclass(frozen=True)
class RunResult:
    """Errors of one run on the test set, and its cost."""

    run: StudyRun
    errors: dict[str, float]
    """`forces_rmse`, `forces_mae`, `energy_per_atom_rmse`, ... of the first test set, eV/A, eV and eV/A^3."""
    train_errors: dict[str, float]
    """The same for the training set; if similar to the test errors, more steps are needed, not more data."""
    seconds: float
    """Training time, s."""


def finished_result(plan: Plan, run: StudyRun) -> RunResult | None:
    """Return the result of a run; None if it is not finished."""
    folder = plan.folder(run)
    status = folder.status()
    if status.state != "finished" or not folder.errors.is_file():
        return None
    table = ErrorTable.from_json(json.loads(folder.errors.read_text(encoding="utf-8")))
    test = next(split for split in table.splits if split.split not in _TRAINING_SPLITS)
    train = next(split for split in table.splits if split.split == "train")
    return RunResult(run, _errors(test), _errors(train), status.elapsed)


def _errors(split: SplitErrors) -> dict[str, float]:
    errors: dict[str, float] = {}
    for name in _PROPERTIES:
        error = getattr(split.errors, name)
        if error is not None:
            errors |= {f"{name}_rmse": error.rmse, f"{name}_mae": error.mae}
    return errors


def num_parameters(plan: Plan, run: StudyRun) -> int:
    """Return the number of trainable parameters of a finished run's model."""
    config = load_config(plan.folder(run).resolved)
    return Potential(config.model, dict.fromkeys(config.model.elements, 0.0)).num_parameters()
