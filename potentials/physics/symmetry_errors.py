"""Symmetry errors of a potential, and deviations of its forces and stress from derivatives of the energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

from potentials.data.batch import BatchLimit
from potentials.data.graph import build_graph, collate
from potentials.evaluation.symmetry import RotationError, rotation_error
from potentials.potential import Potential

_STEP = 1e-3
"""Step of the finite differences in A, and in strain; their error is of fourth order."""
_OFFSETS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12
_COMPONENTS = 12
"""Number of random force components compared for each structure."""
_SHIFT = np.array([1.234, -5.678, 0.321])
_BATCH = BatchLimit("atoms", 2000)


@dataclass(frozen=True)
class SymmetryErrors:
    """Maxima over several structures, except for rotations, which are a root mean square."""

    rotations: RotationError
    translation_energy: float
    """eV/atom."""
    translation_forces: float
    """eV/A, largest component."""
    permutation_energy: float
    permutation_forces: float
    net_force: float
    """eV/A, norm of the sum of all forces."""
    net_torque: float
    """eV, for structures without periodic directions; NaN if there are none."""


@dataclass(frozen=True)
class DerivativeErrors:
    """Largest deviations of forces and stress from finite differences of the energy."""

    components: int
    """Number of force components."""
    forces: float
    """eV/A."""
    force_size: float
    """eV/A, largest of these components."""
    stress: float
    """eV/A^3; NaN without structures that are periodic in three directions."""
    stress_size: float


def symmetry_errors(potential: Potential, structures: Sequence[Atoms]) -> SymmetryErrors:
    """Rotate, mirror, translate and permute structures, and compare energies and forces.

    Args:
        potential: in evaluation mode; rounding errors depend on its precision.
        structures: at least one.
    """
    graphs = [build_graph(atoms, potential.elements, potential.cutoff) for atoms in structures]
    orders = [np.random.default_rng(index).permutation(len(atoms)) for index, atoms in enumerate(structures)]
    shifted = [_shifted(atoms) for atoms in structures]
    renumbered = [atoms[order] for atoms, order in zip(structures, orders, strict=True)]
    before = _predict(potential, structures)
    translated, permuted = _predict(potential, shifted), _predict(potential, renumbered)
    sizes = [len(atoms) for atoms in structures]
    torques = [
        float(np.linalg.norm(np.cross(atoms.positions - atoms.positions.mean(axis=0), forces).sum(axis=0)))
        for atoms, (_, forces) in zip(structures, before, strict=True)
        if not atoms.pbc.any()
    ]
    return SymmetryErrors(
        rotation_error(potential, graphs, limit=_BATCH),
        *_largest_changes(before, translated, sizes),
        *_largest_changes([(e, f[order]) for (e, f), order in zip(before, orders, strict=True)], permuted, sizes),
        max(float(np.linalg.norm(forces.sum(axis=0))) for _, forces in before),
        max(torques, default=float("nan")),
    )


def derivative_errors(potential: Potential, structures: Sequence[Atoms], seed: int) -> DerivativeErrors:
    """Compare forces and stress with finite differences of the energy.

    Args:
        potential: in double precision; otherwise the differences are dominated by rounding.
        structures: at least one.
        seed: of the choice of force components.
    """
    rng = np.random.default_rng(seed)
    forces, force_sizes, stresses, stress_sizes = [], [], [], []
    count = 0
    for atoms in structures:
        graph = build_graph(atoms, potential.elements, potential.cutoff)
        periodic = bool(atoms.pbc.all())
        prediction = potential(collate([graph]).to(_device(potential)), stress=periodic, create_graph=False)
        chosen = rng.permutation(3 * len(atoms))[:_COMPONENTS]
        found = prediction.forces.to(torch.float64).cpu().numpy().ravel()[chosen]
        moved = [_moved(atoms, component, offset) for component in chosen for offset in _OFFSETS]
        expected = -_energies(potential, moved).reshape(-1, 4) @ _WEIGHTS / _STEP
        forces.append(np.abs(found - expected).max())
        force_sizes.append(np.abs(found).max())
        count += len(chosen)
        if periodic:
            stress = prediction.stress.to(torch.float64).cpu().numpy()[0]
            strained = [_strained(atoms, index, offset) for index in np.ndindex(3, 3) for offset in _OFFSETS]
            virial = _energies(potential, strained).reshape(3, 3, 4) @ _WEIGHTS / _STEP
            stresses.append(np.abs(stress - virial / atoms.get_volume()).max())
            stress_sizes.append(np.abs(stress).max())
    return DerivativeErrors(
        count,
        float(max(forces)),
        float(max(force_sizes)),
        float(max(stresses, default=np.nan)),
        float(max(stress_sizes, default=np.nan)),
    )


Predicted = list[tuple[float, NDArray[np.float64]]]
"""Energy (eV) and forces [N, 3] (eV/A) of each structure."""


def _predict(potential: Potential, structures: Sequence[Atoms]) -> Predicted:
    found: Predicted = []
    for atoms in structures:
        graph = collate([build_graph(atoms, potential.elements, potential.cutoff)]).to(_device(potential))
        prediction = potential(graph, create_graph=False)
        found.append((float(prediction.energy), prediction.forces.to(torch.float64).cpu().numpy()))
    return found


def _energies(potential: Potential, structures: Sequence[Atoms]) -> NDArray[np.float64]:
    at_once = max(1, _BATCH.most // len(structures[0]))
    energies = []
    for start in range(0, len(structures), at_once):
        graphs = [build_graph(a, potential.elements, potential.cutoff) for a in structures[start : start + at_once]]
        energies.append(potential(collate(graphs).to(_device(potential)), forces=False).energy.detach().cpu().numpy())
    return np.concatenate(energies)


def _largest_changes(before: Predicted, after: Predicted, sizes: Sequence[int]) -> tuple[float, float]:
    """Return the largest changes of energies per atom and of force components."""
    pairs = list(zip(before, after, sizes, strict=True))
    return (
        max(abs(one[0] - two[0]) / size for one, two, size in pairs),
        max(float(np.abs(one[1] - two[1]).max()) for one, two, _ in pairs),
    )


def _shifted(atoms: Atoms) -> Atoms:
    moved = atoms.copy()
    moved.positions += _SHIFT
    return moved


def _moved(atoms: Atoms, component: int, offset: float) -> Atoms:
    moved = atoms.copy()
    moved.positions[component // 3, component % 3] += offset * _STEP
    return moved


def _strained(atoms: Atoms, index: tuple[int, ...], offset: float) -> Atoms:
    deformation = np.eye(3)
    deformation[index] += offset * _STEP
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ deformation.T, scale_atoms=True)
    return strained


def _device(potential: Potential) -> torch.device:
    return potential.reference_energies.device
