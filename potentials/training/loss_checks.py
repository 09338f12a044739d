"""Checks of losses that end a run: losses that are not finite, and losses without labels."""

from __future__ import annotations

import math

from torch import Tensor

from potentials.errors import TrainingError


def check_training_loss(loss: float, steps: int, epochs: float, place: str) -> None:
    """Check that there are labels to train on: without labels of nonzero weight every loss is exactly zero.

    Args:
        loss: mean training loss since the last validation.
        steps: optimizer steps since then.
        epochs: epochs trained so far.
        place: epoch of the loss and the best model so far, as `check_finite` takes them.

    Raises:
        TrainingError: the loss is not finite, or exactly zero.
    """
    check_finite("training", loss, place)
    if loss == 0.0:
        raise TrainingError(
            f"the training loss was exactly 0 in all {steps} steps up to epoch {epochs:.4g}: no training frame has a "
            "label with nonzero weight in the loss. Check the weights (loss, data.weights) and the labels of the "
            "training frames (data.train)"
        )


def check_validation_loss(loss: float, labels: Tensor, stage_weights: Tensor, place: str) -> None:
    """Check that the validation loss of each stage can be used to compare models.

    Args:
        loss: validation loss of the current stage.
        labels: [3], numbers of labels of energy, forces and stress of nonzero weight.
        stage_weights: [stages, 3], weights of energy, forces and stress.
        place: epoch of the loss and the best model so far, as `check_finite` takes them.

    Raises:
        TrainingError: the loss is not finite, or there are no labels for a stage.
    """
    check_finite("validation", loss, place)
    for number, weights in enumerate(stage_weights, start=1):
        if not bool((weights * labels).any()):
            stage = f" of stage {number}" if len(stage_weights) > 1 else ""
            raise TrainingError(
                f"the validation frames have no label with nonzero weight in the loss{stage}, so models cannot be "
                "compared; give other validation frames (data.validation) or other weights (loss, data.weights)"
            )


def check_finite(split: str, loss: float, place: str) -> None:
    """Check that a loss is finite.

    Args:
        split: `training` or `validation`.
        loss: the loss.
        place: end of the sentence "the loss became NaN in ...", with the best model so far.

    Raises:
        TrainingError: it is not.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the {split} loss became {loss} in {place}"
            "Lower train.optimizer.learning_rate or train.gradient_clip, or give the schedule a longer warm-up; "
            "if it happens in the first epoch, check for frames with very large forces (`potentials check`)"
        )
