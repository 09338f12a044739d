"""Elastic weight consolidation: a penalty on changes of weights that the starting potential's predictions depend on.

    L = L_data + (lambda / 2) sum_i F_i (theta_i - theta_i^0)^2

Kirkpatrick et al., PNAS 114, 3521 (2017), eq. 3; for potentials: arXiv:2506.15223. F is the diagonal of the Fisher
information of a normal distribution of energies and forces, with the weights of the loss as inverse variances,

    F_i = 2 w_E mean (d(E/N)/dtheta_i)^2 + 2 w_F mean (dF_k/dtheta_i)^2

over structures of the starting potential's elements, weighted like those of replay: with lambda = 1, the penalty is, to
second order and on the diagonal, the loss on these structures with the predictions of the starting potential as labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from potentials.config.loss import LossConfig
from potentials.config.run import RunConfig
from potentials.data.graph import AtomicGraph, build_graph, collate
from potentials.errors import DataError
from potentials.potential import Potential
from potentials.training.fine_tuning.replay import WEIGHT, labeled_by
from potentials.training.fine_tuning.replay_structures import replay_structures


class ElasticPenalty:
    """(lambda / 2) sum_i F_i (theta_i - theta_i^0)^2 over the trained parameters of a potential.

    Args:
        potential: the starting potential; its present weights are theta^0.
        graphs: the structures of F, on the device of the potential.
        loss: weights of energies and forces.
        strength: lambda.
        seed: of the random signs by which the force terms are estimated.
    """

    def __init__(
        self, potential: Potential, graphs: list[AtomicGraph], loss: LossConfig, strength: float, seed: int
    ) -> None:
        self.parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
        self.origin = [parameter.detach().clone() for parameter in self.parameters]
        self.stiffness = [strength * fisher for fisher in fisher_information(potential, graphs, loss, seed)]

    def __call__(self) -> Tensor:
        """Compute the penalty, differentiable, at the present weights."""
        terms = []
        for index, parameter in enumerate(self.parameters):
            if self.origin[index].device != parameter.device:
                self.origin[index] = self.origin[index].to(parameter.device)
                self.stiffness[index] = self.stiffness[index].to(parameter.device)
            terms.append((self.stiffness[index] * (parameter - self.origin[index]).square()).sum())
        return torch.stack(terms).sum() / 2


def elastic_penalty(config: RunConfig, potential: Potential) -> ElasticPenalty | None:
    """Return the penalty of a run; None without `fine_tune.elastic`.

    Args:
        config: of the run.
        potential: as at the start of the run.

    Raises:
        DataError: the starting potential gives too large forces for all generated structures.
    """
    elastic = config.fine_tune.elastic
    if config.start_from is None or elastic is None:
        return None
    is_training = potential.training
    start = _first_head(potential)
    structures = list(labeled_by(start, replay_structures(start, elastic.generate, config.seed)))
    potential.train(is_training)  # predictions have switched it to evaluation mode
    if not structures:
        unusable = f"none of {elastic.generate} generated structures can be used, because of forces above 20 eV/A"
        raise DataError(f"fine_tune.elastic: {unusable} or atoms without neighbors; generate more")
    graphs = [build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures]
    for graph, atoms in zip(graphs, structures, strict=True):
        graph.energy_weight *= atoms.info[WEIGHT]
        graph.forces_weight *= atoms.info[WEIGHT]
    return ElasticPenalty(potential, graphs, config.loss, elastic.strength, config.seed)


def _first_head(potential: Potential) -> Potential:
    """Return a potential that computes: that of the first head if there are several, or one with merged weights."""
    return potential.select_head(potential.heads[0]) if potential.heads else potential


def fisher_information(potential: Potential, graphs: list[AtomicGraph], loss: LossConfig, seed: int) -> list[Tensor]:
    """Compute F for each trained parameter.

    The mean over force components is estimated without bias from one vector of random signs x for each structure:
    (d(x . F)/dtheta_i)^2 has the expectation sum_k (dF_k/dtheta_i)^2 (Hutchinson's estimator).

    Args:
        potential: the potential.
        graphs: structures, all with neighbors, and their weights.
        loss: weights of energies and forces.
        seed: of the random signs.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for graph in graphs:
        for weight, quantity in _quantities(potential, graph, loss, rng):
            gradients = torch.autograd.grad(quantity, parameters, retain_graph=True, materialize_grads=True)
            for total, gradient in zip(sums, gradients, strict=True):
                total += 2 * weight * gradient.square() / len(graphs)
    return sums


def _quantities(
    potential: Potential, graph: AtomicGraph, loss: LossConfig, rng: np.random.Generator
) -> Iterator[tuple[float, Tensor]]:
    """Yield weights and quantities whose squared gradients add up to F of one structure."""
    batch = collate([graph]).to(potential.scale.device)
    prediction = potential(batch, create_graph=True)
    atoms = graph.num_nodes
    energy = prediction.energy.sum() / (atoms if loss.energy.per_atom else 1)
    yield float(graph.energy_weight) * loss.energy.weight, energy
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=(atoms, 3))).to(prediction.forces)
    yield float(graph.forces_weight) * loss.forces.weight / (3 * atoms), (signs * prediction.forces).sum()


_STREAM = 12
"""Keeps these random numbers apart from others with the same seed."""
