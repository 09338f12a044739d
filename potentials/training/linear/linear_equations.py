"""Equations of a linear model: one row per label, with the weights of the training loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from potentials.config.loss import LossConfig
from potentials.data.graph import AtomicGraph, GraphBatch, collate
from potentials.models.linear import LinearModel
from potentials.potential import Potential, edge_topology, edge_vectors
from potentials.training.linear.least_squares import Equations
from potentials.training.losses import property_weights

_EDGES_TIMES_FUNCTIONS = 2**20
"""Number of edges times basis functions whose derivatives are computed at once."""


def loss_equations(
    potential: Potential, graphs: Sequence[AtomicGraph], loss: LossConfig, progress: Callable[[], None]
) -> Equations:
    """Build rows whose squared residuals add up to the training loss of all graphs as a function of the coefficients.

    loss = sum_p w_p / count_p sum_i w_i (sum_k X_ik c_k - y_i)^2, over the labeled entries i of each property p, as
    in `losses.combine`. Column s * K + k is the coefficient of species s and basis function k.

    Args:
        potential: a potential in float64 with a `LinearModel` whose coefficients are zero.
        graphs: labeled graphs.
        loss: loss configuration with squared errors only.
        progress: called after each graph.
    """
    labels = [torch.stack([torch.isfinite(x).sum() for x in (g.energy, g.forces, g.stress)]) for g in graphs]
    counts = torch.stack(labels).sum(0).clamp(min=1)
    weights = dict(zip(("energy", "forces", "stress"), (property_weights(loss) / counts).tolist(), strict=True))
    equations = Equations(cast(LinearModel, potential.model).coefficients.numel())
    for graph in graphs:
        _add_frame(equations, potential, collate([graph]), weights, loss.energy.per_atom)
        progress()
    return equations


def _add_frame(
    equations: Equations, potential: Potential, batch: GraphBatch, weights: dict[str, float], per_atom: bool
) -> None:
    forces, stress = weights["forces"] > 0, weights["stress"] > 0
    # Contributions that do not depend on the coefficients: reference energies, shift, repulsion.
    rest = potential(batch, forces=forces, stress=stress, create_graph=False)
    if weights["energy"] > 0:
        weight = (weights["energy"] * batch.energy_weight).sqrt() / (batch.num_nodes if per_atom else 1)
        _add(equations, energy_rows(potential, batch), batch.energy - rest.energy, weight)
    if not (forces or stress):
        return
    force_rows, stress_rows = derivative_rows(potential, batch, stress)
    if rest.forces is not None:
        weight = (weights["forces"] * batch.forces_weight).sqrt()
        _add(equations, force_rows, batch.forces - rest.forces, weight)
    if rest.stress is not None and stress_rows is not None:
        weight = (weights["stress"] * batch.stress_weight).sqrt()
        _add(equations, stress_rows, batch.stress - rest.stress, weight)


def _add(equations: Equations, rows: Tensor, targets: Tensor, weight: Tensor) -> None:
    """Add rows [..., columns] and targets [...], both times the square root of a weight; NaN targets are omitted."""
    labeled = torch.isfinite(targets)
    if bool(labeled.any()) and float(weight) > 0:
        equations.add((rows[labeled] * weight).numpy(), (targets[labeled] * weight).numpy())


def energy_rows(potential: Potential, batch: GraphBatch) -> Tensor:
    """Return the energy of one frame per unit of each coefficient, [1, columns] eV."""
    model = cast(LinearModel, potential.model)
    with torch.no_grad():
        functions = model.basis(edge_vectors(batch), batch.species, edge_topology(batch))
    rows = functions.new_zeros(model.coefficients.shape).index_add(0, batch.species, functions)
    return (rows * potential.scale.unsqueeze(1)).reshape(1, -1)


def derivative_rows(potential: Potential, batch: GraphBatch, stress: bool) -> tuple[Tensor, Tensor | None]:
    """Return the forces [N, 3, columns] eV/A and stress [1, 3, 3, columns] eV/A^3 per unit of each coefficient."""
    model = cast(LinearModel, potential.model)
    num_species, size = model.coefficients.shape
    topology, vectors, species = edge_topology(batch), edge_vectors(batch), batch.species
    by_atom = vectors.new_zeros(topology.num_nodes * num_species, 3, size)
    virial = vectors.new_zeros(num_species, 3, 3, size)
    step = _EDGES_TIMES_FUNCTIONS // size + 1
    for start in range(0, topology.num_edges, step):
        edges = slice(start, start + step)
        receivers = topology.receivers[edges]
        owners = species[receivers]
        slopes = model.basis_derivatives(vectors, species, topology, edges) * potential.scale[owners, None, None]
        by_atom.index_add_(0, topology.senders[edges] * num_species + owners, slopes)
        by_atom.index_add_(0, receivers * num_species + owners, -slopes)
        if stress:
            virial.index_add_(0, owners, vectors[edges, :, None, None] * slopes.unsqueeze(1))
    forces = by_atom.unflatten(0, (-1, num_species)).transpose(1, 2).flatten(2)
    if not stress:
        return forces, None
    virial = 0.5 * (virial + virial.transpose(1, 2)).permute(1, 2, 0, 3).flatten(2)
    return forces, (virial / torch.linalg.det(batch.cell[0]).abs()).unsqueeze(0)
