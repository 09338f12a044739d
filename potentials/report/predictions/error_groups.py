"""Force errors by element, by magnitude of the force, and by distance from the training frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from potentials.data.audit.near_duplicates import NEAR
from potentials.data.geometry import structure_descriptor
from potentials.report.predictions.comparison import Array
from potentials.report.predictions.evaluated import EvaluatedSplit

SHARES = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1)
"""Bin edges as fractions of the atoms, ordered by the magnitude of the force."""
_FEWEST = 5
"""Smallest number of atoms in a bin."""
_CALIBRATED = 8
"""Number of frames whose atoms are displaced to calibrate the distance."""


@dataclass(frozen=True)
class ForceBin:
    """Atoms with forces of similar magnitude."""

    count: int
    force: float
    """Mean norm of the labels, eV/A."""
    error: float
    """Mean norm of prediction - label, eV/A."""
    error_90: float
    """90th percentile of the error, eV/A."""

    @property
    def relative(self) -> float:
        """Mean error relative to the mean force."""
        return self.error / self.force if self.force > 0 else float("nan")


def force_bins(split: EvaluatedSplit) -> list[ForceBin]:
    """Compute force errors by magnitude of the label, in bins of equal size and one for the largest 1 %."""
    label, prediction = split.evaluation.parity.forces
    known = np.isfinite(label).all(axis=1) & np.isfinite(prediction).all(axis=1)
    size = np.linalg.norm(label[known], axis=1)
    error = np.linalg.norm(prediction[known] - label[known], axis=1)
    order = np.argsort(size, kind="stable")
    bins = []
    for members in np.split(order, [round(share * len(order)) for share in SHARES[1:-1]]):
        if len(members) >= _FEWEST:
            of_bin = error[members]
            bins.append(
                ForceBin(
                    len(members), float(size[members].mean()), float(of_bin.mean()), float(np.quantile(of_bin, 0.9))
                )
            )
    return bins


@dataclass(frozen=True)
class ElementError:
    """Errors of the force components on the atoms of one element."""

    symbol: str
    atoms: int
    mae: float
    """eV/A."""
    rmse: float
    size: float
    """Root mean square of the labels, eV/A."""


def element_errors(split: EvaluatedSplit) -> list[ElementError]:
    """Compute the force errors for each element with labels."""
    label, prediction = split.evaluation.parity.forces
    known = np.isfinite(label).all(axis=1) & np.isfinite(prediction).all(axis=1)
    found = []
    for number, symbol in enumerate(split.elements):
        of_element = known & (split.evaluation.parity.species == number)
        if of_element.any():
            error = prediction[of_element] - label[of_element]
            rmse, size = (float(np.sqrt(np.square(values).mean())) for values in (error, label[of_element]))
            found.append(ElementError(symbol, int(of_element.sum()), float(np.abs(error).mean()), rmse, size))
    return found


def frame_force_errors(split: EvaluatedSplit) -> Array:
    """[frames], RMSE of the force components of each frame, eV/A; NaN without forces."""
    label, prediction = split.evaluation.parity.forces
    square = np.square(prediction - label)
    known = np.isfinite(label)
    frame = split.frame_of_atom
    sums, counts = np.zeros(len(split.frames)), np.zeros(len(split.frames))
    np.add.at(sums, frame, np.where(known, square, 0.0).sum(axis=1))
    np.add.at(counts, frame, known.sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, np.sqrt(sums / np.maximum(counts, 1)), np.nan)


def frame_energy_errors(split: EvaluatedSplit) -> Array:
    """[frames], prediction - label of the energy, eV/atom; NaN without a label."""
    label, prediction = split.evaluation.parity.energy
    return (prediction - label) / split.evaluation.parity.atoms


class NearestTraining:
    """Distances of structures from the nearest training frame in descriptor space.

    Descriptors (`data/geometry/descriptor.py`) count the neighbors of each element at each distance.
    The distance is expressed as a random displacement in A: at 0.05 A a structure differs from the nearest training
    frame as much as one with coordinates displaced by 0.05 A, if differences grow linearly from small displacements.

    Args:
        train: structures of the training set.
        elements: symbols of the elements of the potential.
        seed: seed of the displacements.
    """

    def __init__(self, train: Sequence[Atoms], elements: Sequence[str], seed: int) -> None:
        self._elements = np.sort([atomic_numbers[symbol] for symbol in elements])
        self._descriptors = self._descriptors_of(train)
        self._per_angstrom = self._calibrated(train, seed)

    def distances(self, structures: Sequence[Atoms]) -> Array:
        """Return the distances [structures], A; NaN for zero descriptors, as of atoms without neighbors."""
        if self._per_angstrom <= 0:
            return np.full(len(structures), np.nan)
        return cdist(self._descriptors_of(structures), self._descriptors).min(axis=1) / self._per_angstrom

    def _descriptors_of(self, structures: Sequence[Atoms]) -> NDArray[np.float64]:
        return np.array([structure_descriptor(atoms, self._elements) for atoms in structures])

    def _calibrated(self, train: Sequence[Atoms], seed: int) -> float:
        """Return the median descriptor difference caused by a displacement of `NEAR`, divided by `NEAR`."""
        random = np.random.default_rng(seed)
        differences = []
        for place in np.linspace(0, len(train) - 1, min(_CALIBRATED, len(train))).astype(int):
            moved = train[place].copy()
            moved.positions = moved.positions + random.normal(scale=NEAR, size=moved.positions.shape)
            difference = structure_descriptor(moved, self._elements) - self._descriptors[place]
            differences.append(float(np.linalg.norm(difference)))
        return float(np.median(differences)) / NEAR
