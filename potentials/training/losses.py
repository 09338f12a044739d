"""Training loss: a weighted sum of mean errors over labeled entries."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from potentials.config.loss import EnergyLoss, ForcesLoss, LossConfig, StressLoss
from potentials.data.graph import GraphBatch
from potentials.evaluation.metrics import masked_error
from potentials.potential import Prediction

PropertyLoss = EnergyLoss | ForcesLoss | StressLoss


def loss_sums(prediction: Prediction, batch: GraphBatch, config: LossConfig) -> tuple[Tensor, Tensor]:
    """Return sums of weighted errors and numbers of labeled entries, for energy, forces and stress.

    For each property, over its labeled entries i (energies, force components, stress components),

        sum = sum_i w_i f(predicted_i - label_i),    count = sum_i 1

    where w_i is the weight of the frame and f the error function of the configuration: the square (`mse`), the
    absolute value (`mae`), or Huber's e^2 / 2 for |e| < delta and delta (|e| - delta / 2) beyond. The error of an
    energy is first divided by the number of atoms if `per_atom` is set. Sums and counts of several batches are
    additive, so that the loss of a data set does not depend on its division into batches.

    Entries with NaN labels are replaced before any arithmetic and affect neither the value nor the gradient.
    A property that was not predicted is treated as unlabeled.

    Returns:
        Sums [3] (differentiable) and counts [3], both float64, in the order energy, forces, stress.
    """
    terms = [
        _energy_sum(prediction.energy, batch, config.energy),
        _property_sum(prediction.forces, batch.forces, batch.forces_weight[batch.batch], config.forces),
        _property_sum(prediction.stress, batch.stress, batch.stress_weight, config.stress),
    ]
    return torch.stack([term[0] for term in terms]), torch.stack([term[1] for term in terms])


def weighed_labels(batch: GraphBatch) -> Tensor:
    """Count the labeled entries [3] of energy, forces and stress in frames of nonzero weight; float64."""
    labels = (
        (batch.energy, batch.energy_weight),
        (batch.forces, batch.forces_weight[batch.batch]),
        (batch.stress, batch.stress_weight),
    )
    counts = [
        (~torch.isnan(label) & (weight > 0).reshape(-1, *[1] * (label.dim() - 1))).sum(dtype=torch.float64)
        for label, weight in labels
    ]
    return torch.stack(counts)


def property_weights(config: LossConfig) -> Tensor:
    """Return the weights [3] of energy, forces and stress, float64."""
    weights = [config.energy.weight, config.forces.weight, config.stress.weight]
    return torch.tensor(weights, dtype=torch.float64)


def loss_terms(sums: Tensor, counts: Tensor, weights: Tensor) -> Tensor:
    """Return the loss terms [3] of energy, forces and stress: weight * sum / count; zero without labels.

    Counts may be fractional: with several processes, each divides by its share of all labels.
    """
    return weights * sums / torch.where(counts > 0, counts, 1.0)


def combine(sums: Tensor, counts: Tensor, weights: Tensor) -> Tensor:
    """Return the loss, the sum of the loss terms."""
    return loss_terms(sums, counts, weights).sum()


def _energy_sum(predicted: Tensor, batch: GraphBatch, config: EnergyLoss) -> tuple[Tensor, Tensor]:
    # The energies are large numbers: subtract in float64, then divide.
    difference, labeled = masked_error(predicted, batch.energy)
    if config.per_atom:
        difference = difference / (batch.ptr[1:] - batch.ptr[:-1])
    return (batch.energy_weight * _error_function(difference, config)).sum(), labeled.sum(dtype=torch.float64)


def _property_sum(
    predicted: Tensor | None, label: Tensor, weight: Tensor, config: PropertyLoss
) -> tuple[Tensor, Tensor]:
    if predicted is None:
        nothing = label.new_zeros(())
        return nothing, nothing
    difference, labeled = masked_error(predicted, label)
    errors = _error_function(difference, config).flatten(1).sum(1)
    return (weight * errors).sum(), labeled.sum(dtype=torch.float64)


def _error_function(difference: Tensor, config: PropertyLoss) -> Tensor:
    if config.function == "mse":
        return difference.square()
    if config.function == "mae":
        return difference.abs()
    return F.huber_loss(difference, torch.zeros_like(difference), reduction="none", delta=config.huber_delta)
