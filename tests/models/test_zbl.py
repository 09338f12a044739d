"""The screened nuclear repulsion against its formula, written out here for one pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from potentials.kernels import EdgeTopology
from potentials.models.zbl import ZBLRepulsion

ELEMENTS = ["H", "C", "O"]
NUMBERS = {"H": 1, "C": 6, "O": 8}
# Cordero et al. (2008), in A.
RADII = {"H": 0.31, "C": 0.76, "O": 0.66}


def pair_energy(first: str, second: str, r: float, power: int) -> float:
    """eV, of both atoms together."""
    x = r / (RADII[first] + RADII[second])
    if x >= 1:
        return 0.0
    length = 0.4543 * 0.529 / (NUMBERS[first] ** 0.3 + NUMBERS[second] ** 0.3)
    screening = (
        0.1818 * math.exp(-3.2 * r / length)
        + 0.5099 * math.exp(-0.9423 * r / length)
        + 0.2802 * math.exp(-0.4028 * r / length)
        + 0.02817 * math.exp(-0.2016 * r / length)
    )
    p = power
    envelope = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
    return 14.3996 * NUMBERS[first] * NUMBERS[second] / r * screening * envelope


def dimer(first: str, second: str, r: torch.Tensor, power: int = 6, prefactor: float = 1.0) -> torch.Tensor:
    """Energies of the two atoms."""
    species = torch.tensor([ELEMENTS.index(first), ELEMENTS.index(second)])
    topology = EdgeTopology.from_edge_index(torch.tensor([[1, 0], [0, 1]]), 2)
    return ZBLRepulsion(ELEMENTS, power, prefactor)(r.expand(2), species, topology)


@pytest.mark.parametrize("power", [5, 6])
@pytest.mark.parametrize("pair", ["HH", "CO", "OH"])
@pytest.mark.parametrize("r", [0.1, 0.4, 0.6, 0.9, 1.3])
def test_dimer(pair: str, r: float, power: int) -> None:
    energies = dimer(*pair, torch.tensor(r, dtype=torch.float64), power)
    np.testing.assert_allclose(energies, 2 * [0.5 * pair_energy(*pair, r, power)], rtol=1e-12, atol=1e-15)


def test_repels() -> None:
    distances = torch.linspace(0.05, 1.4, 30, dtype=torch.float64)
    energies = torch.stack([dimer("C", "O", r).sum() for r in distances])
    assert (energies > 0).all()
    assert (energies.diff() < 0).all()


def test_prefactor() -> None:
    r = torch.tensor(0.5, dtype=torch.float64)
    torch.testing.assert_close(dimer("C", "O", r, prefactor=2.5), 2.5 * dimer("C", "O", r))


def test_ends_smoothly_at_the_sum_of_the_covalent_radii() -> None:
    end = RADII["C"] + RADII["O"]
    for inside in (1e-3, 1e-4):
        r = torch.tensor(end - inside, dtype=torch.float64, requires_grad=True)
        energy = dimer("C", "O", r).sum()
        (first,) = torch.autograd.grad(energy, r, create_graph=True)
        (second,) = torch.autograd.grad(first, r)
        # The third derivative at the end: that of the envelope, 6 * 7 * 8, times the repulsion without it.
        size = 336 / end**3 * pair_energy("C", "O", end - 0.05, 6) / pair_envelope(end - 0.05, end)
        assert 0 < energy < 1.2 * size * inside**3 / 6
        assert 0 < -first < 1.2 * size * inside**2 / 2
        assert 0 < second < 1.2 * size * inside
    beyond = torch.tensor(end, dtype=torch.float64, requires_grad=True)
    energy = dimer("C", "O", beyond).sum()
    assert energy == 0
    assert torch.autograd.grad(energy, beyond)[0] == 0


def pair_envelope(r: float, end: float) -> float:
    x = r / end
    return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8


def test_several_neighbors_add_up() -> None:
    # H between C and O, with C out of the reach of O.
    species, distances = torch.tensor([1, 0, 2]), torch.tensor([0.8, 0.8, 0.7, 0.7], dtype=torch.float64)
    topology = EdgeTopology.from_edge_index(torch.tensor([[1, 0, 2, 1], [0, 1, 1, 2]]), 3)
    energies = ZBLRepulsion(ELEMENTS, 6)(distances, species, topology)
    carbon, oxygen = 0.5 * pair_energy("C", "H", 0.8, 6), 0.5 * pair_energy("O", "H", 0.7, 6)
    np.testing.assert_allclose(energies, [carbon, carbon + oxygen, oxygen], rtol=1e-12)
