"""A small linear model fitted to data in order to question them: do energies, forces and stresses belong together?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray

from potentials.config import family_config
from potentials.config.loss import LossConfig
from potentials.data.audit.forces import OUTLIER_FACTOR, largest_forces
from potentials.data.findings import Findings
from potentials.data.graph import AtomicGraph, collate, graphs_from_frames
from potentials.data.labels import LabelledFrame
from potentials.data.reference_energies import least_squares
from potentials.errors import PotentialsError
from potentials.models.linear import LinearModel
from potentials.potential import Potential
from potentials.training.least_squares import Equations, solve_ridge
from potentials.training.linear_equations import loss_equations

_BASES = (
    {"correlation": 3, "polynomial_degree": [10, 8, 6], "angular_degree": 3},
    {"correlation": 3, "polynomial_degree": [8, 6, 4], "angular_degree": 2},
    {"correlation": 2, "polynomial_degree": [8, 6], "angular_degree": 3},
    {"correlation": 2, "polynomial_degree": [6, 4], "angular_degree": 2},
    {"correlation": 1, "polynomial_degree": [8], "angular_degree": 0},
)
_MOST_COEFFICIENTS = 1500
_MOST_ATOMS = 10_000
"""Of the frames that are fitted."""
_HELD_OUT = 4
"""Every fourth frame chooses the ridge parameter."""
_RIDGES = np.logspace(-14, -2, 13)
_ENERGIES_COUNT = 10.0
"""Weight of energies per atom against forces, (eV/atom)^2 to (eV/A)^2, where both are fitted: large, because it is
energies of strained cells that fix stresses, where symmetry leaves no forces."""


@dataclass(frozen=True)
class Probe:
    """What the model says of the frames it was asked about; rows in their order."""

    frames: list[LabelledFrame]
    energies_by_forces: NDArray[np.float64]
    """Energies, eV, up to a constant for each composition, of the model that was fitted to forces alone."""
    stresses: NDArray[np.float64]
    """[frames, 3, 3] eV/A^3 of the model that was fitted to energies and forces; NaN where a frame is not periodic."""
    force_error: float
    """Its root-mean-square error of forces on frames that it was not fitted to, in units of their size."""


def probe(frames: Sequence[LabelledFrame], cutoff: float, seed: int = 0) -> Probe | None:
    """Fit linear ACE to a choice of the frames and let it judge these; None where there are too few with forces.

    Args:
        frames: labelled; those without forces are left out.
        cutoff: A.
        seed: of the choice, where there are many frames.
    """
    chosen = _choose(frames, seed)
    if len(chosen) < 2 * _HELD_OUT:
        return None
    elements = sorted(
        {s for frame in chosen for s in frame.frame.atoms.get_chemical_symbols()},
        key=lambda symbol: atomic_numbers[symbol],
    )
    potential = _small_potential(elements, cutoff, _mean_energies(chosen))
    if potential is None:
        return None
    graphs = graphs_from_frames(chosen, elements, potential.cutoff)
    held_out = graphs[::_HELD_OUT]
    fitted = [graph for number, graph in enumerate(graphs) if number % _HELD_OUT]
    by_forces, test = (_equations(potential, part, "forces") for part in (fitted, held_out))
    coefficients, share = _best(by_forces, test)
    energies = _predict(potential, coefficients, graphs, stress=False)[0]
    both = Equations(by_forces.columns)
    for equations, weight in ((by_forces, 1.0), (_equations(potential, fitted, "energy"), _ENERGIES_COUNT)):
        factor = equations.factor() * weight**0.5
        both.add(factor[:, :-1], factor[:, -1])
    _, stresses = _predict(potential, _best(both, test)[0], graphs, stress=True)
    return Probe(chosen, energies, stresses, share)


def _choose(frames: Sequence[LabelledFrame], seed: int) -> list[LabelledFrame]:
    """Frames with usual forces, all or so many at random that fitting them takes seconds."""
    # Weights of the loss are no matter here.
    usable = [
        replace(frame, weight=1.0, energy_weight=1.0, forces_weight=1.0, stress_weight=1.0)
        for frame in frames
        if np.isfinite(frame.forces).any() and len(frame.forces) > 1
    ]
    largest = largest_forces(usable) if usable else np.zeros(0)
    if not largest.any():
        return []
    limit = OUTLIER_FACTOR * float(np.median(largest[largest > 0]))
    usable = [frame for frame, force in zip(usable, largest, strict=True) if force <= limit]
    order = np.random.default_rng(seed).permutation(len(usable))
    atoms = np.cumsum([len(usable[k].forces) for k in order])
    return [usable[k] for k in sorted(order[: max(1, int(np.searchsorted(atoms, _MOST_ATOMS)))])] if usable else []


def _mean_energies(frames: Sequence[LabelledFrame]) -> dict[str, float]:
    """Reference energies by least squares over the compositions, eV."""
    labelled = [frame for frame in frames if np.isfinite(frame.energy)]
    elements = sorted({symbol for frame in frames for symbol in frame.frame.atoms.get_chemical_symbols()})
    return least_squares(elements, labelled, "", Findings())


def _small_potential(elements: Sequence[str], cutoff: float, energies: dict[str, float]) -> Potential | None:
    """Of the richest basis that has not too many coefficients."""
    for basis in _BASES:
        settings = {
            "name": "ace",
            "cutoff": cutoff,
            "elements": list(elements),
            "average_neighbors": 1.0,
            "radial": {"size": 8},
            **basis,
        }
        try:
            potential = Potential(family_config(settings), energies, "float64").eval().requires_grad_(False)
        except PotentialsError:  # far too many
            continue
        coefficients = cast(LinearModel, potential.model).coefficients
        if coefficients.numel() <= _MOST_COEFFICIENTS:
            coefficients.zero_()
            return potential
    return None


def _equations(potential: Potential, graphs: Sequence[AtomicGraph], label: str) -> Equations:
    weights = {name: {"weight": 100.0 if name == label else 0.0} for name in ("energy", "forces")}
    return loss_equations(potential, graphs, LossConfig.model_validate(weights), lambda: None)


def _best(equations: Equations, test: Equations) -> tuple[NDArray[np.float64], float]:
    """The coefficients whose forces are best on other frames, and their error in units of the size of these forces."""
    solutions = solve_ridge(equations, _RIDGES)
    losses = test.loss(solutions.coefficients)
    best = int(np.argmin(losses))
    size = float(test.loss(np.zeros(test.columns)))
    return solutions.coefficients[:, best], float(np.sqrt(losses[best] / size)) if size > 0 else np.inf


def _predict(
    potential: Potential, coefficients: NDArray[np.float64], graphs: Sequence[AtomicGraph], stress: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies [frames] and stresses [frames, 3, 3], NaN where not asked."""
    model = cast(LinearModel, potential.model)
    model.coefficients.copy_(torch.from_numpy(coefficients).view_as(model.coefficients))
    energies, stresses = [], []
    for graph in graphs:
        periodic = stress and bool(graph.pbc.all())
        found = potential(collate([graph]), forces=False, stress=periodic, create_graph=False)
        energies.append(float(found.energy))
        stresses.append(np.full((3, 3), np.nan) if found.stress is None else found.stress[0].numpy())
    model.coefficients.zero_()
    return np.array(energies), np.array(stresses).reshape(-1, 3, 3)
