"""Harmonic vibrations of a molecule: the Hessian by finite differences of the potential's forces."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms, units
from numpy.typing import NDArray

from potentials.data.graph import build_graph, collate
from potentials.errors import SimulationError
from potentials.potential import Potential

_STEP = 5e-3
"""Displacement in A: the error of the differences is quadratic in it, that of rounding inversely proportional."""
_AT_ONCE = 1000
"""Number of atoms per batch."""


@dataclass(frozen=True, eq=False)
class MolecularVibrations:
    """Normal modes at a stationary point; imaginary wavenumbers are negative."""

    wavenumbers: NDArray[np.float64]
    """[V] 1/cm, ascending; V = 3 N minus the number of rigid motions."""
    modes: NDArray[np.float64]
    """[V, N, 3], Cartesian displacements; the largest displacement of an atom is one."""
    rigid: NDArray[np.float64]
    """[R] 1/cm, of translations and rotations, which should be zero; R is three, five or six."""
    asymmetry: float
    """Largest asymmetry of the Hessian relative to its largest element."""


def hessian(potential: Potential, atoms: Atoms, step: float = _STEP) -> NDArray[np.float64]:
    """Compute [3 N, 3 N] eV/A^2, d^2 E / dx_i dx_j, by central differences of forces; not symmetrized.

    Raises:
        UnknownElementError: the potential does not support an element.
    """
    displaced = []
    for atom, axis, sign in itertools.product(range(len(atoms)), range(3), (1, -1)):
        displaced.append(atoms.copy())
        displaced[-1].positions[atom, axis] += sign * step
    forces = []
    at_once = max(1, _AT_ONCE // len(atoms))
    device = potential.reference_energies.device
    for start in range(0, len(displaced), at_once):
        graphs = [
            build_graph(moved, potential.elements, potential.cutoff) for moved in displaced[start : start + at_once]
        ]
        prediction = potential(collate(graphs).to(device), create_graph=False)
        forces.append(prediction.forces.to(torch.float64).cpu().numpy())
    plus, minus = np.concatenate(forces).reshape(-1, 2, 3 * len(atoms)).swapaxes(0, 1)
    return -(plus - minus) / (2 * step)


def molecular_vibrations(potential: Potential, atoms: Atoms) -> MolecularVibrations:
    """Compute normal modes of a relaxed molecule; rigid motions are projected out and returned separately.

    Args:
        potential: in double precision; otherwise soft modes are noisy.
        atoms: relaxed, not periodic, at least two.

    Raises:
        SimulationError: a single atom, or a periodic structure.
    """
    if atoms.pbc.any() or len(atoms) < 2:
        raise SimulationError("vibrations of a molecule require at least two atoms and no periodic direction")
    raw = hessian(potential, atoms)
    root_masses = np.sqrt(np.repeat(atoms.get_masses(), 3))
    weighted = (raw + raw.T) / 2 / np.outer(root_masses, root_masses)
    rigid, inner = _rigid_motions(atoms)
    squares, vectors = np.linalg.eigh(inner.T @ weighted @ inner)
    modes = ((inner @ vectors).T / root_masses).reshape(len(squares), -1, 3)
    largest = np.linalg.norm(modes, axis=2).max(axis=1)
    return MolecularVibrations(
        wavenumbers(squares),
        modes / largest[:, None, None],
        wavenumbers(np.linalg.eigvalsh(rigid.T @ weighted @ rigid)),
        float(np.abs(raw - raw.T).max() / np.abs(raw).max()),
    )


def wavenumbers(squares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convert eigenvalues in eV/A^2/amu to 1/cm; negative eigenvalues give negative wavenumbers."""
    energies = units._hbar * 1e10 / np.sqrt(units._e * units._amu) * np.sqrt(np.abs(squares))  # hbar omega, eV
    return np.asarray(np.sign(squares) * energies / units.invcm, dtype=np.float64)


def _rigid_motions(atoms: Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return orthonormal mass-weighted translations and rotations [3 N, R], and a basis of the complement [3 N, V]."""
    root_masses = np.sqrt(atoms.get_masses())[:, None]
    positions = atoms.positions - atoms.get_center_of_mass()
    motions = [root_masses * axis for axis in np.eye(3)]
    motions += [root_masses * np.cross(axis, positions) for axis in np.eye(3)]
    columns = np.array([np.broadcast_to(motion, positions.shape).ravel() for motion in motions]).T
    left, sizes, _ = np.linalg.svd(columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-9))
    count = int((sizes > 1e-3).sum())
    return left[:, :count], left[:, count:]
