"""Predictions of a potential for labeled graphs, and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from potentials.data.batch import BatchLimit, batches
from potentials.data.graph import GraphBatch, Graphs
from potentials.evaluation.error_table import SplitErrors
from potentials.evaluation.metrics import ErrorSums
from potentials.evaluation.symmetry import rotation_error
from potentials.potential import Potential, Prediction

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parity:
    """Labels and predictions of consecutive frames; NaN where there is no label or prediction."""

    atoms: NDArray[np.int64]
    """[B], number of atoms of each frame."""
    species: NDArray[np.int64]
    """[N], index into the potential's elements."""
    energy: tuple[Array, Array]
    """Label and prediction [B], eV."""
    forces: tuple[Array, Array]
    """[N, 3], eV/A."""
    stress: tuple[Array, Array]
    """[B, 3, 3], eV/A^3."""

    def forces_rmse_by_frame(self) -> Array:
        """Return the force RMSE of each frame over its labeled components, [B] eV/A; NaN without labels."""
        squared = np.square(self.forces[1] - self.forces[0])
        labeled = np.isfinite(squared)
        frame = np.repeat(np.arange(len(self.atoms)), self.atoms)
        sums = np.bincount(frame, np.where(labeled, squared, 0.0).sum(axis=1), len(self.atoms))
        counts = np.bincount(frame, labeled.sum(axis=1), len(self.atoms))
        return np.sqrt(np.divide(sums, counts, out=np.full(len(self.atoms), np.nan), where=counts > 0))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results of an evaluation."""

    errors: SplitErrors
    parity: Parity


def evaluate_graphs(
    potential: Potential,
    graphs: Graphs,
    *,
    limit: BatchLimit,
    split: str,
    groups: Sequence[str],
    heads: Mapping[str, Sequence[int]] = MappingProxyType({}),
    rotations: bool = True,
) -> Evaluation:
    """Compute errors of a potential on labeled graphs, on its current device.

    Forces and stress are computed only if there are labels.
    For families with approximate symmetry, the error under rotations is measured on the same graphs.

    Args:
        potential: in evaluation mode.
        graphs: with labels, built for the potential's elements and cutoff.
        limit: size of a batch; it affects the result only by rounding.
        split: name of the graphs in tables.
        groups: the names that `graph.group` indexes.
        heads: the numbers of the groups of each head, if there are several.
        rotations: whether to measure the error under rotations, where it is not zero.
    """
    device = potential.reference_energies.device
    forces, stress = graphs.has_forces(), graphs.has_stress()
    sums = ErrorSums(len(groups), len(potential.elements), device)
    collected = []
    for batch in batches(graphs, limit):
        moved = batch.to(device)
        prediction = potential(moved, forces=forces, stress=stress)
        sums.update(prediction, moved)
        collected.append(_parity(moved, prediction))
    exact = potential.config.exactly_symmetric
    errors = SplitErrors(
        split=split,
        frames=len(graphs),
        atoms=sum(int(parity.atoms.sum()) for parity in collected),
        errors=sums.errors(),
        elements=sums.element_errors(potential.elements),
        groups=sums.group_errors(groups),
        heads=sums.head_errors(heads),
        rotation=None if exact or not rotations else rotation_error(potential, graphs, limit=limit),
    )
    return Evaluation(errors, _joined(collected))


def _parity(batch: GraphBatch, prediction: Prediction) -> Parity:
    def side_by_side(label: torch.Tensor, predicted: torch.Tensor | None) -> tuple[Array, Array]:
        values = torch.full_like(label, torch.nan) if predicted is None else predicted.detach()
        return label.cpu().numpy(), values.to(torch.float64).cpu().numpy()

    return Parity(
        atoms=(batch.ptr[1:] - batch.ptr[:-1]).cpu().numpy(),
        species=batch.species.cpu().numpy(),
        energy=side_by_side(batch.energy, prediction.energy),
        forces=side_by_side(batch.forces, prediction.forces),
        stress=side_by_side(batch.stress, prediction.stress),
    )


def _joined(splits: Sequence[Parity]) -> Parity:
    def both(name: str) -> tuple[Array, Array]:
        pairs = [getattr(split, name) for split in splits]
        return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])

    return Parity(
        atoms=np.concatenate([split.atoms for split in splits]),
        species=np.concatenate([split.species for split in splits]),
        energy=both("energy"),
        forces=both("forces"),
        stress=both("stress"),
    )
