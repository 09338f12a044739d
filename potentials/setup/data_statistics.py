"""Statistics of labeled structures, as printed by `potentials data stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from potentials.data.geometry import neighbor_vectors
from potentials.data.label import LabeledFrame

_MOST_FRAMES = 2000
"""Largest number of frames for neighbors and distances."""


@dataclass(frozen=True)
class Spread:
    """Range, mean and standard deviation of numbers."""

    count: int
    mean: float
    std: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class ElementStatistics:
    """Statistics of the atoms of one element."""

    atoms: int
    frames: int
    """Frames that contain the element."""
    forces_rms: float
    """eV/A, of a component; NaN without forces."""
    largest_force: float
    """eV/A, of an atom."""
    neighbors: float
    """Mean number of neighbors within the cutoff."""


@dataclass(frozen=True)
class DataStatistics:
    """Statistics of labeled frames, without isolated atoms."""

    frames: int
    atoms: Spread
    """Number of atoms per frame."""
    periodic: int
    """Frames with three periodic directions."""
    partly_periodic: int
    compositions: dict[str, int]
    """Frames by chemical formula, the most frequent first."""
    groups: dict[str, int]
    energy_per_atom: Spread | None
    """eV."""
    largest_force: Spread | None
    """eV/A, per frame."""
    pressure: Spread | None
    """eV/A^3, -trace(stress) / 3."""
    volume_per_atom: Spread | None
    """A^3, of periodic frames."""
    elements: dict[str, ElementStatistics]
    """By atomic number."""
    shortest_distances: dict[str, float]
    """A, by pair of elements, in at most 2000 frames spread over the data."""

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for scripts; NaN is null."""
        return _without_nan(asdict(self))


def data_statistics(frames: Sequence[LabeledFrame], cutoff: float) -> DataStatistics:
    """Compute statistics of labeled frames.

    Args:
        frames: at least one.
        cutoff: for neighbors, A.
    """
    all_atoms = [frame.frame.atoms for frame in frames]
    periodic = [frame for frame in frames if frame.frame.atoms.pbc.all()]
    forces = [frame.forces for frame in frames if np.isfinite(frame.forces).any()]
    neighbors, shortest = _distances(all_atoms, cutoff)
    return DataStatistics(
        frames=len(frames),
        atoms=_present(np.array([len(atoms) for atoms in all_atoms], dtype=float)),
        periodic=len(periodic),
        partly_periodic=sum(bool(atoms.pbc.any() and not atoms.pbc.all()) for atoms in all_atoms),
        compositions=dict(Counter(atoms.get_chemical_formula() for atoms in all_atoms).most_common()),
        groups=dict(Counter(frame.group for frame in frames).most_common()),
        energy_per_atom=_spread([frame.energy / len(frame.forces) for frame in frames]),
        largest_force=_spread([float(np.linalg.norm(np.nan_to_num(force), axis=1).max()) for force in forces]),
        pressure=_spread([-float(np.trace(frame.stress)) / 3 for frame in frames]),
        volume_per_atom=_spread([frame.frame.atoms.get_volume() / len(frame.forces) for frame in periodic]),
        elements=_elements(frames, neighbors),
        shortest_distances=shortest,
    )


def shortest_distances(structures: Sequence[Atoms], cutoff: float) -> dict[str, float]:
    """Find the shortest distance in A of each pair of elements within the cutoff (A), by names such as "C-H".

    Names are in alphabetical order. At most 2000 structures, spread over all, are searched.
    """
    return _distances(structures, cutoff)[1]


def _spread(values: Sequence[float]) -> Spread | None:
    known = np.array([value for value in values if np.isfinite(value)])
    return _present(known) if len(known) else None


def _present(values: NDArray[np.float64]) -> Spread:
    return Spread(len(values), *(float(x) for x in (values.mean(), values.std(), values.min(), values.max())))


def _elements(frames: Sequence[LabeledFrame], neighbors: dict[str, float]) -> dict[str, ElementStatistics]:
    found = {}
    symbols = {symbol for frame in frames for symbol in frame.frame.atoms.get_chemical_symbols()}
    for symbol in sorted(symbols, key=lambda name: atomic_numbers[name]):
        number = atomic_numbers[symbol]
        of_frames = [frame.frame.atoms.numbers == number for frame in frames]
        forces = np.concatenate([frame.forces[own] for frame, own in zip(frames, of_frames, strict=True)])
        forces = forces[np.isfinite(forces).all(axis=1)]
        found[symbol] = ElementStatistics(
            atoms=sum(int(own.sum()) for own in of_frames),
            frames=sum(bool(own.any()) for own in of_frames),
            forces_rms=float(np.sqrt(np.mean(forces**2))) if len(forces) else float("nan"),
            largest_force=float(np.linalg.norm(forces, axis=1).max()) if len(forces) else float("nan"),
            neighbors=neighbors.get(symbol, float("nan")),
        )
    return found


def _distances(structures: Sequence[Atoms], cutoff: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the mean number of neighbors by element, and the shortest distance by pair."""
    chosen = np.unique(np.linspace(0, len(structures) - 1, min(len(structures), _MOST_FRAMES)).astype(int))
    edges: Counter[str] = Counter()
    atoms_seen: Counter[str] = Counter()
    shortest: dict[tuple[str, str], float] = {}
    for index in chosen:
        atoms = structures[index]
        symbols = np.array(atoms.get_chemical_symbols())
        (sender, receiver), vectors = neighbor_vectors(atoms, cutoff)
        distances = np.linalg.norm(vectors, axis=1)
        edges.update(symbols[receiver].tolist())
        atoms_seen.update(symbols.tolist())
        for one in np.unique(symbols):
            for two in np.unique(symbols):
                pair = distances[(symbols[sender] == one) & (symbols[receiver] == two)]
                if one <= two and len(pair):
                    key = (str(one), str(two))
                    shortest[key] = min(shortest.get(key, np.inf), float(pair.min()))
    neighbors = {symbol: edges[symbol] / count for symbol, count in atoms_seen.items()}
    return neighbors, {f"{one}-{two}": distance for (one, two), distance in sorted(shortest.items())}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
