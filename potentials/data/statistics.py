"""What the training frames say about the scale of things, gathered in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentials.data.graph import AtomicGraph


@dataclass(frozen=True)
class Statistics:
    """Statistics of the training frames; NaN where no frame has the label."""

    num_frames: int
    num_atoms: int
    num_edges: int
    average_neighbors: float
    """Mean number of edges of the atoms that have at least one; NaN without edges."""
    lonely_atoms: int
    """Atoms without any edge."""
    forces_rms: float
    """Root mean square of all force components, eV/A."""
    forces_rms_per_element: dict[str, float]
    """The same, for the atoms of one element."""
    residual_mean: float
    """Mean over frames of (energy - sum of reference energies) / number of atoms, eV."""
    residual_std: float
    """Standard deviation of the same, eV."""


def gather_statistics(
    graphs: Sequence[AtomicGraph], elements: Sequence[str], reference_energies: Mapping[str, float]
) -> Statistics:
    """Run over the graphs of the training frames once.

    Args:
        graphs: of the training frames.
        elements: the symbols that `graph.species` indexes.
        reference_energies: eV, by symbol.
    """
    e0 = np.array([reference_energies[symbol] for symbol in elements])
    num_atoms = num_edges = lonely = 0
    square_sums, components = np.zeros(len(elements)), np.zeros(len(elements))
    residuals = []
    for graph in graphs:
        species, forces = graph.species.numpy(), graph.forces.numpy()
        degree = graph.receiver_degree.numpy()
        num_atoms += len(species)
        num_edges += int(degree.sum())
        lonely += int((degree == 0).sum())
        residuals.append((float(graph.energy) - e0[species].sum()) / len(species))
        if np.isfinite(forces).all():
            square_sums += np.bincount(species, (forces**2).sum(axis=1), minlength=len(elements))
            components += 3.0 * np.bincount(species, minlength=len(elements))
    known = np.array(residuals)[np.isfinite(residuals)]
    return Statistics(
        num_frames=len(graphs),
        num_atoms=num_atoms,
        num_edges=num_edges,
        average_neighbors=num_edges / (num_atoms - lonely) if num_edges else float("nan"),
        lonely_atoms=lonely,
        forces_rms=_root_mean(square_sums.sum(), components.sum()),
        forces_rms_per_element={
            symbol: _root_mean(square_sums[i], components[i]) for i, symbol in enumerate(elements) if components[i]
        },
        residual_mean=float(known.mean()) if len(known) else float("nan"),
        residual_std=float(known.std()) if len(known) else float("nan"),
    )


def _root_mean(square_sum: NDArray[np.float64], count: NDArray[np.float64]) -> float:
    return float(np.sqrt(square_sum / count)) if count else float("nan")
