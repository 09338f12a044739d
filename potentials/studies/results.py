"""Results of the finished runs of a study."""

from __future__ import annotations

import json
from dataclasses import dataclass

from potentials.config import load_config
from potentials.evaluation.error_table import ErrorTable, SplitErrors
from potentials.potential import Potential
from potentials.studies.cells import Cell, Plan

_PARTS = ("train", "validation")
_PROPERTIES = ("energy_per_atom", "forces", "stress")


@dataclass(frozen=True)
class CellResult:
    """Errors of one run on the test set, and its cost."""

    cell: Cell
    errors: dict[str, float]
    """`forces_rmse`, `forces_mae`, `energy_per_atom_rmse`, ... of the first test set, eV/A, eV and eV/A^3."""
    train_errors: dict[str, float]
    """The same for the training set; if similar to the test errors, more steps are needed, not more data."""
    seconds: float
    """Training time, s."""


def finished_cell(plan: Plan, cell: Cell) -> CellResult | None:
    """Return the result of a run; None if it is not finished."""
    folder = plan.folder(cell)
    status = folder.status()
    if status.state != "finished" or not folder.errors.is_file():
        return None
    table = ErrorTable.from_json(json.loads(folder.errors.read_text(encoding="utf-8")))
    test = next(split for split in table.splits if split.split not in _PARTS)
    train = next(split for split in table.splits if split.split == "train")
    return CellResult(cell, _figures(test), _figures(train), status.elapsed)


def _figures(split: SplitErrors) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name in _PROPERTIES:
        error = getattr(split.errors, name)
        if error is not None:
            figures |= {f"{name}_rmse": error.rmse, f"{name}_mae": error.mae}
    return figures


def num_parameters(plan: Plan, cell: Cell) -> int:
    """Return the number of trainable parameters of a finished run's model."""
    config = load_config(plan.folder(cell).resolved)
    return Potential(config.model, dict.fromkeys(config.model.elements, 0.0)).num_parameters()
