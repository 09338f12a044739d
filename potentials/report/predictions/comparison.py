"""Comparison of labels and predictions of one property, and statistics of the errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

from potentials.report.predictions.evaluated import EvaluatedSplit

Array = NDArray[np.float64]
COMPONENTS = ("x", "y", "z")
STRESS_COMPONENTS = ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")


@dataclass(frozen=True)
class Property:
    """A property that is compared, and its units."""

    name: str
    unit: str
    """Unit of labels and predictions."""
    error_unit: str
    error_factor: float
    """Factor by which errors are multiplied for display in `error_unit`."""


ENERGY = Property("energy per atom", "eV/atom", "meV/atom", 1e3)
FORCES = Property("force components", "eV/Å", "meV/Å", 1e3)
STRESS = Property("stress components", "GPa", "GPa", 1.0)
PROPERTIES = (ENERGY, FORCES, STRESS)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels with their predictions."""

    of: Property
    label: Array
    """[n]"""
    prediction: Array
    """[n]; may contain numbers that are not finite."""
    frame: NDArray[np.int64]
    """[n], index of the frame in the split."""
    atom: NDArray[np.int64]
    """[n], index of the atom in its frame; -1 for properties of the frame."""
    component: NDArray[np.int64]
    """[n], index in `COMPONENTS` or `STRESS_COMPONENTS`; -1 for energies."""

    @property
    def residual(self) -> Array:
        """[n], prediction - label."""
        return self.prediction - self.label

    def names(self, split: EvaluatedSplit, places: NDArray[np.int64]) -> list[str]:
        """Return descriptions of some numbers: file and frame, atom, component."""
        return [self._name(split, int(place)) for place in places]

    def _name(self, split: EvaluatedSplit, place: int) -> str:
        frame = split.frames[self.frame[place]].frame
        name = f"{short_file(frame.file)}, frame {frame.index}"
        if self.atom[place] >= 0:
            symbol = frame.atoms.symbols[int(self.atom[place])]
            return f"{name}, atom {self.atom[place]} ({symbol}), {COMPONENTS[self.component[place]]}"
        if self.component[place] >= 0:
            return f"{name}, {STRESS_COMPONENTS[self.component[place]]}"
        return name


@dataclass(frozen=True)
class Errors:
    """Errors of predictions, in the property's `unit`."""

    count: int
    """Number of compared values."""
    not_finite: int
    """Number of predictions that are not finite, which are excluded from the other statistics."""
    mae: float
    rmse: float
    largest: float
    """Largest absolute error."""
    largest_place: int
    """Index of the largest error in the comparison."""
    label_spread: float
    """Root mean square deviation of the labels from their mean."""
    label_size: float
    """Root mean square of the labels."""

    @property
    def r2(self) -> float:
        """1 - sum of squared errors / sum of squared deviations of the labels from their mean; NaN if that is 0."""
        return 1 - (self.rmse / self.label_spread) ** 2 if self.label_spread > 0 else float("nan")

    @property
    def relative(self) -> float:
        """RMSE relative to the root mean square of the labels; NaN if that is 0."""
        return self.rmse / self.label_size if self.label_size > 0 else float("nan")


def compare(split: EvaluatedSplit, which: Property) -> Comparison | None:
    """Collect the labels of a split with their predictions; `None` if there are no labels.

    Energies are per atom and relative to the isolated atoms, so that they have the magnitude of bond energies.
    """
    columns = {ENERGY: _energies, FORCES: _forces, STRESS: _stresses}[which](split)
    label, prediction, frame, atom, component = columns
    known = np.isfinite(label)
    if not known.any():
        return None
    return Comparison(which, label[known], prediction[known], frame[known], atom[known], component[known])


def errors(comparison: Comparison) -> Errors | None:
    """Compute statistics over the finite predictions; `None` if there are none."""
    finite = np.flatnonzero(np.isfinite(comparison.prediction))
    if not len(finite):
        return None
    residual, label = comparison.residual[finite], comparison.label[finite]
    worst = int(np.argmax(np.abs(residual)))
    return Errors(
        count=len(comparison.label),
        not_finite=len(comparison.label) - len(finite),
        mae=float(np.abs(residual).mean()),
        rmse=float(np.sqrt(np.square(residual).mean())),
        largest=float(np.abs(residual[worst])),
        largest_place=int(finite[worst]),
        label_spread=float(label.std()),
        label_size=float(np.sqrt(np.square(label).mean())),
    )


def short_file(file: str) -> str:
    """Return a file's name without its folders; `builtin:NAME` is unchanged."""
    return file if file.startswith("builtin:") else file.replace("\\", "/").rpartition("/")[2]


Columns = tuple[Array, Array, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _energies(split: EvaluatedSplit) -> Columns:
    parity = split.evaluation.parity
    alone = isolated_energies(split)
    label, prediction = ((energy - alone) / parity.atoms for energy in parity.energy)
    frame = np.arange(len(split.frames))
    nothing = np.full(len(frame), -1)
    return label, prediction, frame, nothing, nothing


def _forces(split: EvaluatedSplit) -> Columns:
    label, prediction = (forces.reshape(-1) for forces in split.evaluation.parity.forces)
    frame_of_atom = split.frame_of_atom
    number = np.arange(len(frame_of_atom)) - split.starts[frame_of_atom]
    return label, prediction, np.repeat(frame_of_atom, 3), np.repeat(number, 3), np.tile(np.arange(3), len(number))


def _stresses(split: EvaluatedSplit) -> Columns:
    label, prediction = (stress.reshape(-1) / units.GPa for stress in split.evaluation.parity.stress)
    frames, components = len(split.frames), len(STRESS_COMPONENTS)
    frame = np.repeat(np.arange(frames), components)
    return label, prediction, frame, np.full(len(frame), -1), np.tile(np.arange(components), frames)


def isolated_energies(split: EvaluatedSplit) -> Array:
    """[frames], sum of the isolated-atom energies of each frame, eV."""
    return np.add.reduceat(split.reference_energies[split.evaluation.parity.species], split.starts[:-1])
