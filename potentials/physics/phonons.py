"""Phonons of a crystal by finite displacements in a supercell, with phonopy."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from potentials.data.geometry import heights
from potentials.errors import SimulationError

DISPLACEMENT = 0.01
"""Displacement, A."""
_MESH = 40.0
"""Inverse of the distance of mesh points in the Brillouin zone, A."""
_SYMMETRY = 1e-3
"""Tolerance of symmetry in positions, A."""


@dataclass(frozen=True, eq=False)
class PhononDispersion:
    """Phonon frequencies of a crystal in THz; imaginary ones are negative, as is customary."""

    positions: NDArray[np.float64]
    """[Q] 1/A, along the path, without the factor 2 pi."""
    frequencies: NDArray[np.float64]
    """[Q, 3 N] THz."""
    corners: Sequence[tuple[float, str]]
    """Special points of the path and their names, `G` for the center; `U,K` where the path jumps."""
    mesh_frequencies: NDArray[np.float64]
    """[M, 3 N] THz, on a mesh of the Brillouin zone."""
    mesh_weights: NDArray[np.float64]
    """[M] weights of the mesh points, whose sum is one."""
    supercell: Atoms
    """The supercell without displacements."""
    displacements: int
    """Number of displaced structures."""

    @property
    def lowest(self) -> float:
        """Lowest frequency on the path and the mesh, THz."""
        return float(min(self.frequencies.min(), self.mesh_frequencies.min()))

    @property
    def acoustic(self) -> float:
        """Largest magnitude of the three acoustic frequencies at the zone center, which should be zero, THz."""
        centers = [index for index, at in enumerate(self.positions) if self._is_center(float(at))]
        return float(np.sort(np.abs(self.frequencies[centers]), axis=1)[:, :3].max()) if centers else float("nan")

    def _is_center(self, position: float) -> bool:
        return any(name == "G" and abs(at - position) < 1e-9 for at, name in self.corners)


def has_phonopy() -> bool:
    """Return whether the extra `phonons` is installed."""
    return importlib.util.find_spec("phonopy") is not None


def supercell_repeats(crystal: Atoms, height: float, most_atoms: int) -> tuple[int, int, int]:
    """Return the repetitions of a cell that reach a height (A) in each direction, within a number of atoms."""
    lengths = heights(crystal.cell.array, crystal.pbc)
    repeats = np.maximum(1, np.ceil(height / lengths - 0.02)).astype(int)
    while len(crystal) * repeats.prod() > most_atoms and repeats.max() > 1:
        repeats[np.argmax(lengths * (repeats - 1))] -= 1
    first, second, third = (int(count) for count in repeats)
    return first, second, third


def phonon_dispersion(
    calculator: Calculator, crystal: Atoms, repeats: tuple[int, int, int], points: int = 160
) -> PhononDispersion:
    """Displace the symmetry-inequivalent atoms by 0.01 A and compute frequencies along the special points.

    Args:
        calculator: gives forces, in double precision: rounding errors make acoustic modes noisy.
        crystal: a relaxed primitive cell.
        repeats: of the supercell along the cell vectors; forces should vanish within it.
        points: number of points on the path.

    Raises:
        SimulationError: phonopy is not installed.
    """
    if not has_phonopy():
        raise SimulationError("phonons require phonopy: pip install -c constraints.txt -e '.[phonons]' in the clone")
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(
        symbols=crystal.get_chemical_symbols(), scaled_positions=crystal.get_scaled_positions(), cell=crystal.cell.array
    )
    mesh = np.maximum(1, np.ceil(_MESH / heights(crystal.cell.array, crystal.pbc) - 0.02)).astype(int)
    path = crystal.cell.bandpath(npoints=points, eps=_SYMMETRY)
    with warnings.catch_warnings():
        # Warnings of phonopy on supercells and meshes less symmetric than the crystal; results do not depend on it.
        warnings.simplefilter("ignore")
        phonon = Phonopy(cell, supercell_matrix=np.diag(repeats), primitive_matrix=np.eye(3), symprec=_SYMMETRY)
        phonon.generate_displacements(distance=DISPLACEMENT)
        displaced = [_atoms(supercell) for supercell in phonon.supercells_with_displacements]
        undisplaced = _atoms(phonon.supercell)
        # Forces that remain without a displacement are subtracted.
        rest = _forces(calculator, undisplaced)
        phonon.forces = np.array([_forces(calculator, atoms) - rest for atoms in displaced])
        phonon.produce_force_constants()
        phonon.symmetrize_force_constants()
        phonon.run_qpoints(path.kpts)
        frequencies = np.array(phonon.qpoints.frequencies)
        phonon.run_mesh(mesh)
    positions, at, names = path.get_linear_kpoint_axis()
    return PhononDispersion(
        np.asarray(positions),
        frequencies,
        _corners(at, names),
        np.array(phonon.mesh.frequencies),
        np.array(phonon.mesh.weights) / np.sum(phonon.mesh.weights),
        undisplaced,
        len(displaced),
    )


def _corners(positions: Sequence[float], names: Sequence[str]) -> list[tuple[float, str]]:
    """Join the names of points at the same position."""
    corners: list[tuple[float, str]] = []
    for position, name in zip(positions, names, strict=True):
        if corners and abs(corners[-1][0] - position) < 1e-9:
            corners[-1] = (corners[-1][0], f"{corners[-1][1]},{name}")
        else:
            corners.append((float(position), str(name)))
    return corners


def _atoms(cell: object) -> Atoms:
    symbols, positions, vectors = (getattr(cell, name) for name in ("symbols", "positions", "cell"))
    return Atoms(symbols, positions=positions, cell=vectors, pbc=True)


def _forces(calculator: Calculator, atoms: Atoms) -> NDArray[np.float64]:
    atoms = atoms.copy()
    atoms.calc = calculator
    return np.asarray(atoms.get_forces())
