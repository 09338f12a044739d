"""A small linear model fitted to data to test whether energies, forces and stresses are consistent."""

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
from potentials.data.infer import least_squares
from potentials.data.label import LabeledFrame
from potentials.errors import PotentialsError
from potentials.models.linear import LinearModel
from potentials.potential import Potential
from potentials.training.linear.least_squares import Equations, RidgeSolutions, solve_ridge
from potentials.training.linear.linear_equations import derivative_rows, energy_rows, loss_equations

_BASES = (
    {"correlation": 3, "polynomial_degree": [10, 8, 6], "angular_degree": 3},
    {"correlation": 3, "polynomial_degree": [8, 6, 4], "angular_degree": 2},
    {"correlation": 2, "polynomial_degree": [8, 6], "angular_degree": 3},
    {"correlation": 2, "polynomial_degree": [6, 4], "angular_degree": 2},
    {"correlation": 1, "polynomial_degree": [8], "angular_degree": 0},
)
_MOST_COEFFICIENTS = 1500
_MOST_ATOMS = 10_000
"""Largest number of fitted frames."""
_MOST_SAMPLED = 16
"""Number of frames from which the uncertainty of stresses is estimated."""
_HELD_OUT = 4
"""Every fourth frame is used to choose the ridge parameter."""
_RIDGES = np.logspace(-14, -2, 13)
_ENERGIES_COUNT = 10.0
"""Weight of energies per atom against forces, (eV/atom)^2 to (eV/A)^2, where both are fitted: large, because energies
of strained cells determine stresses where forces vanish by symmetry."""


@dataclass(frozen=True)
class Probe:
    """Predictions of the model for the given frames, in order."""

    frames: list[LabeledFrame]
    energies_by_forces: NDArray[np.float64]
    """Energies, eV, up to a constant for each composition, of the model fitted to forces only."""
    stresses: NDArray[np.float64]
    """[frames, 3, 3] eV/A^3 of the model fitted to energies and forces; NaN where a frame is not periodic."""
    force_error: float
    """Its root-mean-square force error on frames not used in the fit, relative to the RMS force."""
    energy_deviations: NDArray[np.float64]
    """D [frames, K] eV: D D^T is the covariance of the uncertainty of `energies_by_forces`."""
    sampled: NDArray[np.int64]
    """Numbers of some of the frames with a stress."""
    stress_deviations: NDArray[np.float64]
    """D [9 sampled, K] eV/A^3, the same of their stresses."""


def probe(frames: Sequence[LabeledFrame], cutoff: float, seed: int = 0) -> Probe | None:
    """Fit linear ACE to some of the frames and predict all of them.

    Args:
        frames: labeled; those without forces are left out.
        cutoff: A.
        seed: of the choice of frames, if there are many.

    Returns:
        The predictions; None if too few frames have forces.
    """
    chosen = _choose(frames, seed)
    if len(chosen) < 2 * _HELD_OUT:
        return None
    symbols = {symbol for frame in chosen for symbol in frame.frame.atoms.get_chemical_symbols()}
    elements = sorted(symbols, key=lambda symbol: atomic_numbers[symbol])
    potential = _small_potential(elements, cutoff, _mean_energies(chosen))
    if potential is None:
        return None
    graphs = graphs_from_frames(chosen, elements, potential.cutoff)
    held_out = graphs[::_HELD_OUT]
    fitted = [graph for number, graph in enumerate(graphs) if number % _HELD_OUT]
    by_forces, test = (_equations(potential, split, "forces") for split in (fitted, held_out))
    best = _best(by_forces, test, _components(fitted))
    rows = np.concatenate([energy_rows(potential, collate([graph])).numpy() for graph in graphs])
    constants = np.array([float(potential.reference_energies[graph.species].sum()) for graph in graphs])
    both = Equations(by_forces.columns)
    for equations, weight in ((by_forces, 1.0), (_equations(potential, fitted, "energy"), _ENERGIES_COUNT)):
        factor = equations.factor() * weight**0.5
        both.add(factor[:, :-1], factor[:, -1])
    best_of_both = _best(both, test, _components(fitted))
    sampled = _with_stress(graphs)
    return Probe(
        chosen,
        constants + rows @ best.coefficients,
        _stresses(potential, best_of_both.coefficients, graphs),
        best.error,
        best.deviations(rows),
        sampled,
        best_of_both.deviations(_stress_rows(potential, [graphs[k] for k in sampled])),
    )


def _choose(frames: Sequence[LabeledFrame], seed: int) -> list[LabeledFrame]:
    """Choose frames with usual forces: all, or a random sample that can be fitted in seconds."""
    # Weights of the loss do not matter here.
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


def _mean_energies(frames: Sequence[LabeledFrame]) -> dict[str, float]:
    """Fit reference energies to the compositions by least squares, eV."""
    labeled = [frame for frame in frames if np.isfinite(frame.energy)]
    elements = sorted({symbol for frame in frames for symbol in frame.frame.atoms.get_chemical_symbols()})
    return least_squares(elements, labeled, "", Findings())


def _small_potential(elements: Sequence[str], cutoff: float, energies: dict[str, float]) -> Potential | None:
    """Build a potential with the largest basis below the limit of coefficients."""
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
        except PotentialsError:  # far too many coefficients
            continue
        coefficients = cast(LinearModel, potential.model).coefficients
        if coefficients.numel() <= _MOST_COEFFICIENTS:
            coefficients.zero_()
            return potential
    return None


def _equations(potential: Potential, graphs: Sequence[AtomicGraph], label: str) -> Equations:
    weights = {name: {"weight": 100.0 if name == label else 0.0} for name in ("energy", "forces")}
    return loss_equations(potential, graphs, LossConfig.model_validate(weights), lambda: None)


@dataclass(frozen=True)
class _Best:
    """The solution with the smallest force error on frames not used in the fit."""

    coefficients: NDArray[np.float64]
    error: float
    """Force error, relative to the RMS force."""
    solutions: RidgeSolutions
    number: int
    """Index of the solution."""
    variance: float
    """Variance left unexplained by the fitted rows, from the error on other frames."""

    def deviations(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.solutions.deviations(self.number, rows, self.variance)


def _best(equations: Equations, test: Equations, components: int) -> _Best:
    """Choose the ridge parameter; the equations have `components` force components."""
    solutions = solve_ridge(equations, _RIDGES)
    losses = test.loss(solutions.coefficients)
    best = int(np.argmin(losses))
    size = float(test.loss(np.zeros(test.columns)))
    error = float(np.sqrt(losses[best] / size)) if size > 0 else np.inf
    # The losses are means over components; the rows add up to the same means.
    return _Best(solutions.coefficients[:, best], error, solutions, best, float(losses[best]) / max(components, 1))


def _components(graphs: Sequence[AtomicGraph]) -> int:
    return sum(int(torch.isfinite(graph.forces).sum()) for graph in graphs)


def _with_stress(graphs: Sequence[AtomicGraph]) -> NDArray[np.int64]:
    labeled = np.array(
        [k for k, graph in enumerate(graphs) if bool(torch.isfinite(graph.stress).all())], dtype=np.int64
    )
    places = np.linspace(0, len(labeled) - 1, min(len(labeled), _MOST_SAMPLED)).astype(int)
    return labeled[places]


def _stress_rows(potential: Potential, graphs: Sequence[AtomicGraph]) -> NDArray[np.float64]:
    """Compute the contribution of each coefficient to the stresses, [9 graphs, columns]."""
    columns = cast(LinearModel, potential.model).coefficients.numel()
    found = [np.zeros((0, columns))]
    for graph in graphs:
        rows = derivative_rows(potential, collate([graph]), stress=True)[1]
        found.append(cast(torch.Tensor, rows).reshape(9, columns).numpy())
    return np.concatenate(found)


def _stresses(
    potential: Potential, coefficients: NDArray[np.float64], graphs: Sequence[AtomicGraph]
) -> NDArray[np.float64]:
    """Compute stresses [frames, 3, 3] in eV/A^3, NaN where a frame is not periodic in three directions."""
    model = cast(LinearModel, potential.model)
    model.coefficients.copy_(torch.from_numpy(coefficients).view_as(model.coefficients))
    stresses = []
    for graph in graphs:
        found = None
        if bool(graph.pbc.all()):
            found = potential(collate([graph]), forces=False, stress=True, create_graph=False).stress
        stresses.append(np.full((3, 3), np.nan) if found is None else found[0].numpy())
    model.coefficients.zero_()
    return np.array(stresses).reshape(-1, 3, 3)
