"""Both implementations of the kernels give one physics: predictions, and gradients of a loss, of all variants."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families.cases import Case, case_parameters
from families.evaluation import Result, assert_close, predict
from families.structures import STRUCTURES

from potentials.config.train import Kernels
from potentials.data.graph import build_graph, collate
from potentials.kernels.dispatch import use_kernels
from potentials.potential import Potential


def results(potential: Potential, kernels: Kernels) -> tuple[Result, list[torch.Tensor]]:
    """Energies, forces, stresses and virials of all structures, and the gradient of their squares to each parameter."""
    structures = [build() for build in STRUCTURES.values()]
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures])
    parameters = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    with use_kernels(kernels):
        found = predict(potential, *structures)
        prediction = potential(batch, forces=True, stress=True, create_graph=True)
        is_periodic = batch.pbc.all(dim=1)
        squares = [
            (values**2).sum() for values in (prediction.energy, prediction.forces, prediction.stress[is_periodic])
        ]
        gradients = torch.autograd.grad(torch.stack(squares).sum(), parameters, allow_unused=True)
    return found, [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]


@pytest.mark.parametrize("case", case_parameters())
def test_kernels_agree(case: Case) -> None:
    potential = case.potential()
    (expected, expected_gradients), (found, gradients) = results(potential, "reference"), results(potential, "cpu")
    for name in Result._fields:
        assert_close(getattr(found, name), getattr(expected, name), 1e-11)
    largest = max(float(gradient.abs().max()) for gradient in expected_gradients)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient.numpy(), wanted.numpy(), rtol=0, atol=1e-11 * largest)
