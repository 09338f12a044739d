"""Statistics of the training frames that set scales of the model, gathered in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentials.data.graph import AtomicGraph


@dataclass(frozen=True)
class StandardErrors:
    """Standard errors of means over a sample of frames, as estimates for all frames; NaN without data."""

    frames: int
    """Number of frames from which the sample was drawn."""
    average_neighbors: float
    forces_rms: float
    """eV/A."""
    residual_mean: float
    """eV."""


@dataclass(frozen=True)
class Statistics:
    """Statistics of the training frames; NaN where no frame has the label with a weight."""

    num_frames: int
    num_atoms: int
    num_edges: int
    average_neighbors: float
    """Mean number of edges of the atoms that have at least one; NaN without edges."""
    atoms_without_neighbors: int
    """Number of atoms without edges."""
    forces_rms: float
    """Root mean square of all force components, eV/A."""
    forces_rms_per_element: dict[str, float]
    """The same for the atoms of one element."""
    residual_mean: float
    """Mean over frames of (energy - sum of reference energies) / number of atoms, eV."""
    residual_std: float
    """Standard deviation of the same, eV."""
    standard_errors: StandardErrors | None = None
    """Given where the frames are a sample of the training frames."""


def gather_statistics(
    graphs: Sequence[AtomicGraph],
    elements: Sequence[str],
    reference_energies: Mapping[str, float],
    population: int | None = None,
) -> Statistics:
    """Gather statistics in one pass over the graphs of the training frames; NaN labels and zero weights do not count.

    Args:
        graphs: of the training frames, or of a random sample of them.
        elements: chemical symbols that `graph.species` indexes.
        reference_energies: eV, by symbol.
        population: number of training frames, if the graphs are a sample.

    Returns:
        The statistics, with standard errors if the graphs are a sample.
    """
    e0 = np.array([reference_energies[symbol] for symbol in elements])
    num_atoms = num_edges = isolated = 0
    square_sums, components = np.zeros(len(elements)), np.zeros(len(elements))
    residuals = []
    rows = []
    for graph in graphs:
        species, forces = graph.species.numpy(), graph.forces.numpy()
        degree = graph.receiver_degree.numpy()
        num_atoms += len(species)
        num_edges += int(degree.sum())
        isolated += int((degree == 0).sum())
        if float(graph.energy_weight) > 0:
            residuals.append((float(graph.energy) - e0[species].sum()) / len(species))
        of_frame = [degree.sum(), (degree > 0).sum(), 0.0, 0.0]
        if float(graph.forces_weight) > 0:
            known_components = np.isfinite(forces)
            squares = np.where(known_components, forces, 0.0) ** 2
            of_frame[2:] = [squares.sum(), known_components.sum()]
            square_sums += np.bincount(species, squares.sum(axis=1), minlength=len(elements))
            components += np.bincount(species, known_components.sum(axis=1), minlength=len(elements))
        if population is not None:
            rows.append(of_frame)
    known = np.array(residuals)[np.isfinite(residuals)]
    return Statistics(
        num_frames=len(graphs),
        num_atoms=num_atoms,
        num_edges=num_edges,
        average_neighbors=num_edges / (num_atoms - isolated) if num_edges else float("nan"),
        atoms_without_neighbors=isolated,
        forces_rms=_root_mean(square_sums.sum(), components.sum()),
        forces_rms_per_element={
            symbol: _root_mean(square_sums[i], components[i]) for i, symbol in enumerate(elements) if components[i]
        },
        residual_mean=float(known.mean()) if len(known) else float("nan"),
        residual_std=float(known.std()) if len(known) else float("nan"),
        standard_errors=None if population is None else _standard_errors(np.array(rows), known, population),
    )


def joint_statistics(parts: Sequence[Statistics]) -> Statistics:
    """Statistics of the frames of several heads; those of labels are NaN, since the levels of theory differ."""
    num_atoms, num_edges = sum(part.num_atoms for part in parts), sum(part.num_edges for part in parts)
    isolated, unknown = sum(part.atoms_without_neighbors for part in parts), float("nan")
    return Statistics(
        num_frames=sum(part.num_frames for part in parts),
        num_atoms=num_atoms,
        num_edges=num_edges,
        average_neighbors=num_edges / (num_atoms - isolated) if num_edges else unknown,
        atoms_without_neighbors=isolated,
        forces_rms=unknown,
        forces_rms_per_element={},
        residual_mean=unknown,
        residual_std=unknown,
    )


def _standard_errors(
    rows: NDArray[np.float64], residuals: NDArray[np.float64], population: int
) -> StandardErrors | None:
    """Compute them from edges, connected atoms, squares and number of force components per frame; None if complete."""
    if len(rows) >= population:
        return None
    edges, with_edges, squares, components = rows.T
    mean_square = squares.sum() / components.sum() if components.any() else np.nan
    return StandardErrors(
        frames=population,
        average_neighbors=ratio_error(edges, with_edges, population),
        forces_rms=ratio_error(squares, components, population) / (2 * float(np.sqrt(mean_square))),
        residual_mean=ratio_error(residuals, np.ones(len(residuals)), population),
    )


def ratio_error(numerators: NDArray[np.float64], denominators: NDArray[np.float64], population: int) -> float:
    """Estimate the standard error of sum(numerators) / sum(denominators) for a sample without replacement.

    s = sqrt(1 - n / N) sqrt(n / (n - 1) sum_i (y_i - R x_i)^2) / sum_i x_i  (Cochran, Sampling Techniques, 6.3).
    """
    count, total = len(numerators), denominators.sum()
    if count < 2 or total == 0:
        return float("nan")
    deviations = numerators - numerators.sum() / total * denominators
    drawn = max(0.0, 1 - count / population)
    return float(np.sqrt(drawn * count / (count - 1) * (deviations**2).sum()) / total)


def _root_mean(square_sum: NDArray[np.float64], count: NDArray[np.float64]) -> float:
    return float(np.sqrt(square_sum / count)) if count else float("nan")
