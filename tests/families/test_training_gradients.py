"""Training on forces and stress differentiates twice: gradients of such a loss against finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

import pytest
import torch
from families.cases import Case
from families.structures import crystal, tiny_cell, water
from torch import Tensor

from potentials.data.graph import build_graph, collate
from potentials.potential import Potential


@pytest.fixture
def potential(case: Case) -> Potential:
    """One that the test may change."""
    return case.potential().train()


def loss(potential: Potential) -> Tensor:
    """A fixed random mixture of energies, forces and stresses, and their squares."""
    structures = [crystal(), tiny_cell(), water()]
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures])
    prediction = potential(batch, forces=True, stress=True)
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros((), dtype=torch.float64)
    for values in (prediction.energy, prediction.forces, prediction.stress[:2]):
        weights = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        total = total + (weights * values).sum() + 0.1 * (weights * values**2).sum()
    return total


def test_gradients_of_every_parameter(potential: Potential) -> None:
    """The derivative along a random direction of each parameter, so that all its entries take part."""
    named = {name: p for name, p in potential.named_parameters() if p.requires_grad}
    gradients = dict(zip(named, torch.autograd.grad(loss(potential), list(named.values())), strict=True))
    generator = torch.Generator().manual_seed(1)
    step = 1e-4
    expected, found = [], []
    for name, parameter in named.items():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        start = parameter.detach().clone()
        values = []
        for offset in (-2, -1, 1, 2):
            parameter.data = start + offset * step * direction
            values.append(loss(potential).detach())
        parameter.data = start
        expected.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step))
        found.append((gradients[name] * direction).sum())
    wanted = torch.stack(expected)
    torch.testing.assert_close(torch.stack(found), wanted, rtol=1e-6, atol=1e-8 * wanted.abs().max().item())


def test_every_number_of_every_parameter_learns(case: Case, potential: Potential) -> None:
    """Numbers that never get a gradient are weights that the configuration promises and the model lacks."""
    loss(potential).backward()
    idle, partly_idle = set(), set()
    for name, parameter in potential.model.named_parameters():
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any()):
            idle.add(name)
        elif parameter.requires_grad and not parameter.grad.all():
            partly_idle.add(name)
    check_idle(idle, case.variant.unused_parameters)
    check_idle(partly_idle, case.variant.partly_unused_parameters)


def check_idle(idle: set[str], patterns: Sequence[str]) -> None:
    unexpected = sorted(name for name in idle if not any(fnmatch(name, pattern) for pattern in patterns))
    assert not unexpected, f"no energy depends on {', '.join(unexpected)}; if that is meant, say so in cases.py"
    learning = [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in idle)]
    assert not learning, f"{', '.join(learning)} matter after all: remove them from cases.py"


def test_forces_of_training_and_use_agree(case: Case, potential: Potential) -> None:
    graph = build_graph(crystal(), potential.elements, potential.cutoff)
    training, use = potential(graph, stress=True), case.potential()(graph, stress=True)
    assert training.forces.requires_grad
    assert training.energy.requires_grad
    assert not any(values.requires_grad for values in (use.energy, use.node_energies, use.forces, use.stress))
    torch.testing.assert_close(training.energy, use.energy, rtol=1e-14, atol=0)
    torch.testing.assert_close(training.forces, use.forces, rtol=0, atol=1e-13)
    torch.testing.assert_close(training.stress, use.stress, rtol=0, atol=1e-13)


def test_energy_alone_can_be_trained_on(potential: Potential) -> None:
    graph = build_graph(crystal(), potential.elements, potential.cutoff)
    parameters = [p for p in potential.parameters() if p.requires_grad]
    with_forces = torch.autograd.grad(potential(graph).energy.sum(), parameters, allow_unused=True)
    alone = torch.autograd.grad(potential(graph, forces=False).energy.sum(), parameters, allow_unused=True)
    for first, second in zip(with_forces, alone, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-12)
