"""Checks of each step for a loss or gradient that is not finite and for loss spikes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potentials.config.train import NonfiniteRule
from potentials.data.graph import AtomicGraph, GraphBatch, collate
from potentials.data.label import LabeledFrame
from potentials.data.read import frame_list
from potentials.data.write import write_structures
from potentials.errors import TrainingError

SPIKE_FACTOR = 20.0
"""A loss larger than the usual loss by this factor is a spike."""
SPIKE_MEMORY = 100
"""Number of steps over which the usual loss is averaged."""
MOST_SKIPPED = 10
"""Largest number of consecutive skipped steps; with more, training itself has failed."""
_NAMED = 3
"""Number of frames listed in a warning of a spike."""


@dataclass(frozen=True)
class FrameLoss:
    """Loss of a single frame of a batch with the current weights."""

    index: int
    """Index of the frame in the training set."""
    loss: float
    finite: bool
    """Whether loss and gradient are finite."""


class StepGuard:
    """Checks the loss and the gradient norm of each step before the weights are updated.

    The usual loss is exp of the exponential moving average of log(loss) without spikes.

    Args:
        frames: the training frames, in the order of `graph.frame_index`.
        rule: action for a step whose loss or gradient is not finite: `stop`, or `skip` the step.
        folder: folder for offending frames; `None` in all processes but the first.
        warn: callback for warnings.
    """

    def __init__(
        self, frames: Sequence[LabeledFrame], rule: NonfiniteRule, folder: Path | None, warn: Callable[[str], None]
    ) -> None:
        self.frames = frames
        self.rule = rule
        self.folder = folder
        self.warn = warn
        self.skipped = 0
        """Number of consecutive skipped steps."""
        self._log_usual = 0.0
        self._steps = 0
        self._warned_epoch = -1

    def state_dict(self) -> dict[str, Any]:
        """Return the state for `load_state_dict`."""
        return {
            "skipped": self.skipped,
            "log_usual": self._log_usual,
            "steps": self._steps,
            "warned_epoch": self._warned_epoch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved state."""
        self.skipped, self._log_usual = state["skipped"], state["log_usual"]
        self._steps, self._warned_epoch = state["steps"], state["warned_epoch"]

    def begin_stage(self) -> None:
        """Reset the usual loss, because the loss function changes."""
        self._log_usual, self._steps = 0.0, 0

    def is_spike(self, loss: float, epoch: int) -> bool:
        """Record a finite loss; return whether it is a spike, at most once per epoch.

        A loss of zero belongs to a batch without labels of nonzero weight and is ignored.
        """
        if loss <= 0.0:
            return False
        logarithm = math.log(loss)
        if self._steps >= SPIKE_MEMORY and logarithm - self._log_usual > math.log(SPIKE_FACTOR):
            new, self._warned_epoch = self._warned_epoch != epoch, epoch
            return new
        self._steps += 1
        self._log_usual += (logarithm - self._log_usual) / min(self._steps, SPIKE_MEMORY)
        return False

    def warn_of_spike(self, loss: float, step: int, losses: Sequence[FrameLoss]) -> None:
        """Warn of a spike and list the frames with the largest losses."""
        worst = sorted(losses, key=lambda frame: frame.loss, reverse=True)[:_NAMED]
        named = ", ".join(f"{self.frames[frame.index].frame} ({frame.loss:.3g})" for frame in worst)
        self.warn(
            f"the training loss of step {step} is {loss:.3g}, {loss / math.exp(self._log_usual):.0f} times "
            f"the typical loss; frames with the largest losses: {named}"
        )

    def handle_nonfinite(self, what: str, step: int, losses: Sequence[FrameLoss], kept: str) -> None:
        """Write the offending frames to a file, then skip the step or stop.

        Args:
            what: description of the event, such as "the loss became nan in epoch 3,".
            step: number of the step, counted from 1.
            losses: losses of all frames in the step's batch, over all processes.
            kept: sentence on the models that are available to the user.

        Raises:
            TrainingError: the rule is `stop`, or too many consecutive steps were skipped.
        """
        found = f"{what} step {step}{self._name_offenders(step, [frame for frame in losses if not frame.finite])}"
        self.skipped += 1
        if self.rule == "skip" and self.skipped <= MOST_SKIPPED:
            self.warn(f"{found}; the step was skipped (train.nonfinite_steps: skip)")
            return
        reason = f" ({self.skipped} consecutive steps)" if self.rule == "skip" else ""
        raise TrainingError(
            f"{found}{reason}; training stopped before the weights were changed. {kept}"
            "Check these frames (`potentials data audit`), lower train.optimizer.learning_rate or "
            "train.gradient_clip, give the schedule a longer warm-up, or set train.nonfinite_steps: skip"
        )

    def _name_offenders(self, step: int, offenders: Sequence[FrameLoss]) -> str:
        if not offenders:
            return ", although no single frame of the batch has such a loss or gradient"
        labeled = [self.frames[frame.index] for frame in offenders]
        named = f": {frame_list([one.frame for one in labeled])}"
        if self.folder is None:
            return named
        file = self.folder / f"nonfinite-step-{step}.extxyz"
        write_structures(file, [_structure(one, frame.loss) for one, frame in zip(labeled, offenders, strict=True)])
        return f"{named}, written to {file}"


def frame_losses(
    batch: GraphBatch, loss_of: Callable[[GraphBatch], torch.Tensor], parameters: Sequence[torch.Tensor]
) -> list[FrameLoss]:
    """Compute the loss of each frame of a batch, and whether the loss and its gradient are finite.

    Args:
        batch: the batch as it was trained on.
        loss_of: function that computes the loss of a batch without side effects.
        parameters: parameters of the model.
    """
    losses = []
    graphs: list[AtomicGraph] = batch.to_data_list()
    for graph in graphs:
        loss = loss_of(collate([graph]))
        gradients = torch.autograd.grad(loss, list(parameters), allow_unused=True)
        finite = bool(torch.isfinite(loss)) and all(
            bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None
        )
        losses.append(FrameLoss(int(graph.frame_index), float(loss.detach()), finite))
    return losses


def _structure(labeled: LabeledFrame, loss: float) -> Atoms:
    """Return the frame with its labels in eV and A, and its source."""
    atoms = labeled.frame.atoms.copy()
    atoms.info = {"source_file": labeled.frame.file, "source_frame": labeled.frame.index, "training_loss": loss}
    for name in set(atoms.arrays) - {"numbers", "positions"}:
        del atoms.arrays[name]
    known = {"energy": labeled.energy, "forces": labeled.forces, "stress": labeled.stress}
    results = {name: value for name, value in known.items() if bool(torch.isfinite(torch.as_tensor(value)).all())}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
