"""Fit of a linear model in closed form as one least-squares problem."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from potentials.config.run import RunConfig
from potentials.data.graph import AtomicGraph
from potentials.data.module import GraphDataModule
from potentials.errors import TrainingError
from potentials.evaluation.labeled_predictions import evaluate_graphs
from potentials.evaluation.metrics import PropertyErrors
from potentials.models.linear import LinearModel
from potentials.potential import Potential, model_file
from potentials.training.linear.least_squares import Equations, solve_ridge
from potentials.training.linear.linear_equations import loss_equations
from potentials.training.validations import Validation

_RIDGES = np.logspace(-16, 0, 33)
"""Candidates of `regularization: auto`."""
_UNUSED = (
    "max_epochs",
    "max_time",
    "optimizer",
    "schedule",
    "ema",
    "gradient_clip",
    "early_stopping",
    "validate_every",
)
_SECONDS_BETWEEN_LINES = 10.0


def unused_settings(config: RunConfig) -> list[str]:
    """Return keys of the `train` section that are set but not used in a fit."""
    return [f"train.{name}" for name in _UNUSED if name in config.train.model_fields_set]


def fit(
    potential: Potential,
    config: RunConfig,
    data: GraphDataModule,
    best_path: Path,
    metadata: dict[str, Any],
    say: Callable[[str], None],
) -> Validation:
    """Find the coefficients of the smallest loss, write the model file, and report the errors.

    The loss is the training loss over all training frames plus a ridge term. With `regularization: auto` the ridge
    parameter with the smallest loss on the validation frames is used.

    Args:
        potential: a potential with a `LinearModel`; its coefficients are replaced.
        config: the resolved configuration.
        data: the graphs.
        best_path: path of the model file.
        metadata: written to the model file.
        say: callback for progress messages.

    Raises:
        TrainingError: there are no labels to fit, or the result is not finite.
    """
    exact = Potential(config.model, _reference_energies(potential), "float64").eval().requires_grad_(False)
    model = cast(LinearModel, exact.model)
    model.coefficients.zero_()
    train = _equations(exact, data.train_graphs, config, _Progress(say, "training", len(data.train_graphs)))
    validation = _equations(exact, data.validation_graphs, config, lambda: None)
    ridge, coefficients, losses = _best(train, validation, config.model.regularization)  # type: ignore[attr-defined]
    model.coefficients.copy_(torch.from_numpy(coefficients).view_as(model.coefficients))
    potential.model.load_state_dict(model.state_dict())
    found = f"loss {losses[0]:.4g}, validation loss {losses[1]:.4g}"
    say(f"{coefficients.size} coefficients, ridge parameter {ridge:.1e}: {found}")
    errors = _validation_errors(potential, data)
    potential.metadata = {
        **metadata,
        "regularization": ridge,
        "validation_loss": losses[1],
        "validation_errors": asdict(errors),
    }
    model_file.save(potential, best_path)
    return Validation(
        epoch=1.0,
        step=1,
        stage=0,
        learning_rate=0.0,
        training_loss=losses[0],
        loss=losses[1],
        errors=errors,
        is_best=True,
    )


def _reference_energies(potential: Potential) -> dict[str, float]:
    """Return the reference energies by chemical symbol, eV."""
    return dict(zip(potential.elements, potential.reference_energies.tolist(), strict=True))


def _equations(
    potential: Potential, graphs: Sequence[AtomicGraph], config: RunConfig, progress: Callable[[], None]
) -> Equations:
    equations = loss_equations(potential, graphs, config.loss, progress)
    if not len(equations.factor()):
        raise TrainingError(
            "no frame has a label with nonzero weight in the loss; give other frames (data.train, "
            "data.validation) or other weights (loss)"
        )
    return equations


def _best(train: Equations, validation: Equations, ridge: Any) -> tuple[float, np.ndarray, tuple[float, float]]:
    """Return ridge parameter, coefficients, and losses on training and validation frames."""
    solutions = solve_ridge(train, _RIDGES if ridge == "auto" else np.array([ridge]))
    losses = validation.loss(solutions.coefficients)
    best = int(np.argmin(losses))
    coefficients = solutions.coefficients[:, best]
    if not np.isfinite(losses[best]):
        raise TrainingError(
            f"the validation loss of the fit is {losses[best]}; check for frames with very large labels or "
            "overlapping atoms (`potentials check`)"
        )
    return float(solutions.ridges[best]), coefficients, (float(train.loss(coefficients)), float(losses[best]))


def _validation_errors(potential: Potential, data: GraphDataModule) -> PropertyErrors:
    found = evaluate_graphs(
        potential.eval(),
        data.validation_graphs,
        limit=data.evaluation_limit,
        split="validation",
        groups=data.groups,
    )
    return found.errors.errors


class _Progress:
    """Reports the progress of building the equations every ten seconds."""

    def __init__(self, say: Callable[[str], None], split: str, total: int) -> None:
        self.say, self.split, self.total = say, split, total
        self.done, self.start = 0, time.monotonic()
        self.said = self.start

    def __call__(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.said > _SECONDS_BETWEEN_LINES:
            self.said = now
            left = (now - self.start) / self.done * (self.total - self.done)
            self.say(f"building the equations: {self.done} of {self.total} {self.split} frames  {left:.0f} s left")
