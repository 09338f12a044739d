"""Errors accumulated as sums, so that they do not depend on the division into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from potentials.data.graph import GraphBatch
from potentials.potential import Prediction

PROPERTIES = ("energy", "energy_per_atom", "forces", "stress")


@dataclass(frozen=True)
class Error:
    """Errors of one property, in eV, eV/atom, eV/A or eV/A^3."""

    mae: float
    """Mean absolute error over the labeled entries: frames, force components or stress components."""
    rmse: float
    """Root mean square error over the same entries."""
    count: int
    """Number of labeled entries."""


@dataclass(frozen=True)
class PropertyErrors:
    """Errors of all properties; `None` where there are no labels."""

    energy: Error | None
    energy_per_atom: Error | None
    forces: Error | None
    stress: Error | None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PropertyErrors:
        """Restore errors from the result of `dataclasses.asdict`."""
        return cls(**{name: None if value is None else Error(**value) for name, value in data.items()})


class ErrorSums:
    """Sums of |e|, e^2 and 1 over labeled entries: per group and property, and of the forces per element.

    Args:
        num_groups: number of configuration groups that `batch.group` indexes.
        num_elements: number of elements that `batch.species` indexes.
    """

    def __init__(self, num_groups: int, num_elements: int, device: torch.device | str = "cpu") -> None:
        self.groups = torch.zeros(num_groups, len(PROPERTIES), 3, dtype=torch.float64, device=device)
        self.elements = torch.zeros(num_elements, 3, dtype=torch.float64, device=device)

    def update(self, prediction: Prediction, batch: GraphBatch) -> None:
        """Add the errors of a batch, without copying from the device."""
        energy, labeled = masked_error(prediction.energy.detach(), batch.energy)
        atoms = batch.ptr[1:] - batch.ptr[:-1]
        self._add("energy", batch.group, _moments(energy, labeled))
        self._add("energy_per_atom", batch.group, _moments(energy / atoms, labeled))
        if prediction.forces is not None:
            moments = _moments(*masked_error(prediction.forces.detach(), batch.forces))
            self._add("forces", batch.group[batch.batch], moments)
            self.elements.index_add_(0, batch.species, moments)
        if prediction.stress is not None:
            self._add("stress", batch.group, _moments(*masked_error(prediction.stress.detach(), batch.stress)))

    def reduce(self, add_up: Callable[[Tensor], Tensor]) -> None:
        """Replace the sums by those over all processes; `add_up` sums a tensor over processes."""
        self.groups, self.elements = add_up(self.groups), add_up(self.elements)

    def errors(self) -> PropertyErrors:
        """Return the errors over all entries."""
        return _property_errors(self.groups.sum(0))

    def group_errors(self, names: Sequence[str]) -> dict[str, PropertyErrors]:
        """Return the errors of each group that occurs, by name."""
        return {name: _property_errors(sums) for name, sums in zip(names, self.groups, strict=True) if sums[:, 2].any()}

    def head_errors(self, heads: Mapping[str, Sequence[int]]) -> dict[str, PropertyErrors]:
        """Return the errors of each head (level of theory), by name.

        Args:
            heads: the numbers of the groups of each head.
        """
        return {name: _property_errors(self.groups[list(numbers)].sum(0)) for name, numbers in heads.items()}

    def element_errors(self, symbols: Sequence[str]) -> dict[str, Error]:
        """Return the errors of the force components, by symbol of each element with labels."""
        found = {symbol: _error(sums) for symbol, sums in zip(symbols, self.elements, strict=True)}
        return {symbol: error for symbol, error in found.items() if error is not None}

    def _add(self, name: str, rows: Tensor, moments: Tensor) -> None:
        self.groups[:, PROPERTIES.index(name)].index_add_(0, rows, moments)


def masked_error(predicted: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Return predicted minus label in float64, zero where the label is NaN; and which entries are labeled."""
    labeled = ~torch.isnan(label)
    difference = torch.where(labeled, predicted.to(torch.float64), 0.0) - torch.where(labeled, label, 0.0)
    return difference, labeled


def _moments(error: Tensor, labeled: Tensor) -> Tensor:
    """Compute sums [rows, 3] of |e|, e^2 and 1 over all dimensions but the first."""
    stacked = torch.stack([error.abs(), error.square(), labeled.to(torch.float64)], dim=-1)
    return stacked.reshape(len(error), -1, 3).sum(1)


def _error(sums: Tensor) -> Error | None:
    absolute, square, count = sums.tolist()
    return Error(mae=absolute / count, rmse=(square / count) ** 0.5, count=int(count)) if count else None


def _property_errors(sums: Tensor) -> PropertyErrors:
    return PropertyErrors(*(_error(row) for row in sums))
