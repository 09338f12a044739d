"""Estimate of time and memory of a fit in closed form from a few frames; used by `check` for such families."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from potentials.data.module import GraphDataModule
from potentials.data.prepare import PreparedData
from potentials.potential import Potential
from potentials.setup.memory import peak_memory
from potentials.training.linear.least_squares import Equations, solve_ridge
from potentials.training.linear.linear_equations import loss_equations
from potentials.training.losses import property_weights

_FRAMES = 4
_COLUMNS = 1000
"""Times of larger systems of equations are extrapolated from this size."""


@dataclass(frozen=True)
class FitRehearsal:
    """Measurements, and the estimate for the whole fit."""

    coefficients: int
    equations: int
    """Labeled entries of the training frames with a weight in the loss."""
    seconds: float
    """Estimate for the whole fit, from frames of medium size and a system of up to 1000 coefficients."""
    memory: int
    """Bytes that the equations need at once, in addition to the memory used so far."""
    peak_memory: int
    """Peak memory so far, bytes."""


def rehearse_fit(prepared: PreparedData) -> FitRehearsal:
    """Assemble and solve the equations of a few frames and estimate the cost of the whole fit; nothing is written."""
    config = prepared.config
    potential = Potential(config.model, prepared.reference_energies, "float64").eval().requires_grad_(False)
    data = GraphDataModule(prepared, potential.elements, potential.cutoff)
    sample = data.train_graphs.sample(config.seed)
    graphs = sorted(sample, key=lambda graph: graph.edge_index.shape[1])
    middle = len(graphs) // 2
    some = graphs[max(0, middle - _FRAMES // 2) : middle + _FRAMES // 2 + 1]
    loss_equations(potential, some[:1], config.loss, lambda: None)  # the first call prepares kernels
    start = time.perf_counter()
    columns = loss_equations(potential, some, config.loss, lambda: None).columns
    frames = len(data.train_graphs) + len(data.validation_graphs)
    making = (time.perf_counter() - start) * frames / len(some)
    labels = [torch.stack([torch.isfinite(x).sum() for x in (g.energy, g.forces, g.stress)]) for g in graphs]
    of_sample = int((torch.stack(labels).sum(0) * (property_weights(config.loss) > 0)).sum())
    equations = of_sample * len(data.train_graphs) // len(graphs)
    return FitRehearsal(
        coefficients=columns,
        equations=equations,
        seconds=making + _solving_seconds(columns, equations),
        memory=8 * columns * (3 * columns + 1000),
        peak_memory=peak_memory(torch.device("cpu")),
    )


def _solving_seconds(columns: int, rows: int) -> float:
    size = min(columns, _COLUMNS)
    random = np.random.default_rng(0)
    equations = Equations(size)
    matrix = random.normal(size=(3 * size, size))
    start = time.perf_counter()
    equations.add(matrix, matrix[:, 0])
    equations.factor()
    reducing = time.perf_counter() - start
    start = time.perf_counter()
    solve_ridge(equations, np.ones(1))
    solving = time.perf_counter() - start
    growth = columns / size
    return reducing * growth**2 * rows / (3 * size) + solving * growth**3
