"""Predictions as numpy arrays, and derivatives by finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.graph import build_graph, collate
from potentials.potential import Potential

# The fourth-order central difference: error h^4 f^(5) / 30.
_OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12


class Result(NamedTuple):
    """A prediction for several structures, in the order they were given."""

    energy: NDArray
    node_energies: NDArray
    forces: NDArray
    stress: NDArray
    node_virials: NDArray


def predict(potential: Potential, *structures: Atoms) -> Result:
    """All a potential has to say of the structures, put into one batch."""
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures])
    prediction = potential(batch, forces=True, stress=True, node_virials=True, create_graph=False)
    return Result(*(getattr(prediction, name).detach().numpy() for name in Result._fields))


def energies(potential: Potential, structures: Sequence[Atoms]) -> NDArray:
    batch = collate([build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures])
    return potential(batch, forces=False).energy.numpy()


def numerical_forces(potential: Potential, atoms: Atoms, step: float = 5e-4) -> NDArray:
    """Minus the derivative of the energy with respect to the positions [N, 3]."""
    displaced = []
    for index in np.ndindex(len(atoms), 3):
        for offset in _OFFSETS:
            displaced.append(atoms.copy())
            displaced[-1].positions[index] += offset * step
    return -(energies(potential, displaced).reshape(len(atoms), 3, 4) @ _WEIGHTS) / step


def numerical_virial(potential: Potential, atoms: Atoms, step: float = 5e-4) -> NDArray:
    """Derivative of the energy with respect to the strain e [3, 3], where r_a becomes r_a + sum_b e_ab r_b."""
    strained = []
    for index in np.ndindex(3, 3):
        for offset in _OFFSETS:
            deformation = np.eye(3)
            deformation[index] += offset * step
            strained.append(atoms.copy())
            strained[-1].set_cell(atoms.cell.array @ deformation.T)
            strained[-1].positions = atoms.positions @ deformation.T
    return (energies(potential, strained).reshape(3, 3, 4) @ _WEIGHTS) / step


def assert_close(actual: NDArray, expected: NDArray, tolerance: float) -> None:
    """Agreement within a tolerance relative to the largest expected number, and absolute where that is below one."""
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=0.0, atol=tolerance * scale)
