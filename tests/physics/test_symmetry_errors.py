"""Potentials that keep their symmetries, and one that breaks them by a known amount."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from morse_family import REFERENCE_ENERGIES, Morse, MorseConfig, morse_potential
from torch import Tensor

from potentials.kernels import EdgeTopology
from potentials.physics.symmetry_errors import derivative_errors, symmetry_errors
from potentials.potential import Potential


class Tilted(Morse):
    """Every edge adds c z^2: not the same in all directions, but energies have derivatives."""

    def forward(self, vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        tilt = 1e-3 * vectors[:, 2] ** 2
        return super().forward(vectors, species, topology).index_add(0, topology.receivers, tilt)


class TiltedConfig(MorseConfig):
    def build(self) -> Morse:
        return Tilted(self)


class Lying(Morse):
    """Forces that are not those of the energy: part of it is hidden from the derivative."""

    def forward(self, vectors: Tensor, species: Tensor, topology: EdgeTopology) -> Tensor:
        hidden = 0.01 * torch.linalg.vector_norm(vectors.detach(), dim=1)
        return super().forward(vectors, species, topology).index_add(0, topology.receivers, hidden)


class LyingConfig(MorseConfig):
    def build(self) -> Morse:
        return Lying(self)


def made(config: type[MorseConfig]) -> Potential:
    settings = {"elements": ["O", "Cu"], "average_neighbors": 1.0, "scale": 1.0, "shift": 0.0}
    return Potential(config(**settings), REFERENCE_ENERGIES, "float64").eval()


def cluster() -> Atoms:
    return Atoms("Cu2O", [[0, 0, 0], [2.4, 0.2, 0], [0.3, 2.6, 0.4]])


def crystal() -> Atoms:
    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_a_symmetric_potential_has_no_errors() -> None:
    found = symmetry_errors(morse_potential(), [cluster(), crystal()])
    numbers = [found.rotations.energy_per_atom, found.rotations.forces, found.translation_energy, found.net_force]
    numbers += [found.translation_forces, found.permutation_energy, found.permutation_forces, found.net_torque]
    assert max(numbers) < 1e-12
    errors = derivative_errors(morse_potential(), [cluster(), crystal()], seed=0)
    assert errors.forces < 1e-8
    assert errors.stress < 1e-8
    assert errors.force_size > 0.1
    assert errors.components == 9 + 12


def test_a_direction_that_is_preferred_is_seen() -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 3.0]])
    found = symmetry_errors(made(TiltedConfig), [atoms])
    # Of both edges, 2 c r^2 z^2 with the mean 1/3 and the variance 4/45 of z^2 on a sphere, for two atoms.
    assert found.rotations.energy_per_atom == pytest.approx(1e-3 * 9.0 * np.sqrt(4 / 45), rel=0.5)
    assert found.translation_forces < 1e-12
    assert found.net_force < 1e-12
    assert derivative_errors(made(TiltedConfig), [cluster()], seed=0).forces < 1e-8


def test_forces_that_are_no_derivatives_are_seen() -> None:
    errors = derivative_errors(made(LyingConfig), [cluster()], seed=0)
    assert errors.forces > 5e-3
    assert derivative_errors(made(LyingConfig), [crystal()], seed=0).stress > 1e-3


def test_what_does_not_apply_is_nan() -> None:
    assert np.isnan(symmetry_errors(morse_potential(), [crystal()]).net_torque)
    assert np.isnan(derivative_errors(morse_potential(), [molecule("O2")], seed=0).stress)


def test_single_precision_rounds() -> None:
    found = symmetry_errors(morse_potential("float32"), [crystal()])
    assert 0 < found.rotations.forces < 1e-4
