"""The optimizer and its learning rate schedule."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim import Optimizer

from potentials.config.train import CosineSchedule, OptimizerConfig, PlateauSchedule, Schedule
from potentials.potential import Potential


def build_optimizer(potential: Potential, config: OptimizerConfig) -> Optimizer:
    """Build Adam (weight decay as an L2 term) or AdamW (decoupled); it acts on `potential.decay_parameters()` only."""
    decaying = [parameter for parameter in potential.decay_parameters() if parameter.requires_grad]
    known = {id(parameter) for parameter in decaying}
    others = [
        parameter for parameter in potential.parameters() if parameter.requires_grad and id(parameter) not in known
    ]
    groups = [
        {"params": parameters, "weight_decay": weight_decay}
        for parameters, weight_decay in ((decaying, config.weight_decay), (others, 0.0))
        if parameters
    ]
    optimizer_class = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.name]
    betas = (config.betas[0], config.betas[1])
    options: dict[str, Any] = {"betas": betas, "eps": config.epsilon, "amsgrad": config.amsgrad}
    return optimizer_class(groups, lr=config.learning_rate, fused=True, **options)


class Patience:
    """Counts consecutive validations without an improvement of the best loss by more than `minimum_improvement`."""

    def __init__(self, patience: int, minimum_improvement: float = 0.0) -> None:
        self.patience = patience
        self.minimum_improvement = minimum_improvement
        self.reset()

    def reset(self) -> None:
        """Reset the counter and the best loss, for example when the loss function changes."""
        self.best = math.inf
        self.waited = 0

    def exhausted_by(self, loss: float) -> bool:
        """Record a validation loss; return whether it is the `patience`-th in a row without improvement."""
        if loss < self.best - self.minimum_improvement:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.best, self.waited = state["best"], state["waited"]


class LearningRate:
    """The learning rate of each optimizer step.

    The product of the base learning rate, the warm-up (n + 1) / W for steps n < W, and

    - `constant`: 1
    - `plateau`: factor^k after k times `patience` validations in a row without improvement, not below `minimum`
    - `cosine`: f + (1 - f) (1 + cos(pi t)) / 2 with t = (n - W) / (T - W), f the final fraction and T all steps

    until `hold` sets a constant learning rate.
    """

    def __init__(self, schedule: Schedule, base: float, max_epochs: int, steps_per_epoch: int = 1) -> None:
        self.schedule = schedule
        self.base = base
        self.max_epochs = max_epochs
        self.steps_per_epoch = steps_per_epoch
        """Set before the first call of `at`, when the data set is known."""
        self.held: float | None = None
        self.plateau_factor = 1.0
        self.plateau = Patience(schedule.patience) if isinstance(schedule, PlateauSchedule) else None

    def at(self, step: int) -> float:
        """Return the learning rate of optimizer step `step`, counted from 0 over all epochs."""
        if self.held is not None:
            return self.held
        warmup_steps = round(self.schedule.warmup_epochs * self.steps_per_epoch)
        if step < warmup_steps:
            return self.base * (step + 1) / warmup_steps
        if isinstance(self.schedule, CosineSchedule):
            all_steps = self.max_epochs * self.steps_per_epoch
            progress = min(1.0, (step - warmup_steps) / max(1, all_steps - warmup_steps))
            final = self.schedule.final_fraction
            return self.base * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress)))
        if isinstance(self.schedule, PlateauSchedule):
            # A minimum above the base learning rate would increase it.
            return max(self.base * self.plateau_factor, min(self.schedule.minimum, self.base))
        return self.base

    def observe(self, validation_loss: float) -> None:
        """Record a validation loss; the plateau schedule may reduce the learning rate."""
        if self.plateau is not None and self.plateau.exhausted_by(validation_loss):
            self.plateau_factor *= self.schedule.factor if isinstance(self.schedule, PlateauSchedule) else 1.0
            self.plateau.waited = 0

    def new_stage(self, rate: float | None) -> None:
        """Reset the plateau schedule, because the loss function changes; a given `rate` is used from now on."""
        self.held = rate
        if self.plateau is not None:
            self.plateau.reset()

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"held": self.held, "plateau_factor": self.plateau_factor, "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.held, self.plateau_factor = state["held"], state["plateau_factor"]
        if self.plateau is not None and state["plateau"] is not None:
            self.plateau.load_state_dict(state["plateau"])
