"""Phonons of a crystal by finite displacements in a supercell, through phonopy."""

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
"""A."""
_MESH = 40.0
"""A, of one over the distance of points in the Brillouin zone."""
_SYMMETRY = 1e-3
"""A, within which positions are symmetric."""


@dataclass(frozen=True, eq=False)
class PhononDispersion:
    """Frequencies of a crystal in THz, imaginary ones as negative numbers, as is usual."""

    positions: NDArray[np.float64]
    """[Q] 1/A, along the path, without the 2 pi."""
    frequencies: NDArray[np.float64]
    """[Q, 3 N] THz."""
    corners: Sequence[tuple[float, str]]
    """Special points of the path and their names, `G` for the center; where the path jumps, two names as `U,K`."""
    mesh_frequencies: NDArray[np.float64]
    """[M, 3 N] THz, on a mesh of the Brillouin zone."""
    mesh_weights: NDArray[np.float64]
    """[M], summing to one."""
    supercell: Atoms
    """Undisplaced."""
    displacements: int
    """Structures of which forces were computed."""

    @property
    def lowest(self) -> float:
        """THz, on the path and the mesh."""
        return float(min(self.frequencies.min(), self.mesh_frequencies.min()))

    @property
    def acoustic(self) -> float:
        """THz, what the three frequencies that are zero at the center of the zone are at most."""
        centres = [index for index, at in enumerate(self.positions) if self._is_centre(float(at))]
        return float(np.sort(np.abs(self.frequencies[centres]), axis=1)[:, :3].max()) if centres else float("nan")

    def _is_centre(self, position: float) -> bool:
        return any(name == "G" and abs(at - position) < 1e-9 for at, name in self.corners)


def has_phonopy() -> bool:
    """Whether the extra `phonons` is installed."""
    return importlib.util.find_spec("phonopy") is not None


def supercell_repeats(crystal: Atoms, height: float, most_atoms: int) -> tuple[int, int, int]:
    """How often to repeat a cell so that it is this high (A) in each direction, within so many atoms."""
    lengths = heights(crystal.cell.array, crystal.pbc)
    repeats = np.maximum(1, np.ceil(height / lengths - 0.02)).astype(int)
    while len(crystal) * repeats.prod() > most_atoms and repeats.max() > 1:
        repeats[np.argmax(lengths * (repeats - 1))] -= 1
    first, second, third = (int(count) for count in repeats)
    return first, second, third


def phonon_dispersion(
    calculator: Calculator, crystal: Atoms, repeats: tuple[int, int, int], points: int = 160
) -> PhononDispersion:
    """Displace atoms by 0.01 A as symmetry asks for, and follow the frequencies along the special points.

    Args:
        calculator: of forces; without the rounding of single precision, or acoustic modes are noise.
        crystal: a relaxed primitive cell.
        repeats: of the supercell along the cell vectors; forces should vanish within it.
        points: on the path.

    Raises:
        SimulationError: phonopy is not installed.
    """
    if not has_phonopy():
        raise SimulationError("phonons require phonopy: pip install 'potentials[phonons]'")
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(
        symbols=crystal.get_chemical_symbols(), scaled_positions=crystal.get_scaled_positions(), cell=crystal.cell.array
    )
    mesh = np.maximum(1, np.ceil(_MESH / heights(crystal.cell.array, crystal.pbc) - 0.02)).astype(int)
    path = crystal.cell.bandpath(npoints=points, eps=_SYMMETRY)
    with warnings.catch_warnings():
        # Of phonopy, on supercells and meshes that are less symmetric than the crystal; results do not depend on it.
        warnings.simplefilter("ignore")
        phonon = Phonopy(cell, supercell_matrix=np.diag(repeats), primitive_matrix=np.eye(3), symprec=_SYMMETRY)
        phonon.generate_displacements(distance=DISPLACEMENT)
        displaced = [_atoms(supercell) for supercell in phonon.supercells_with_displacements]
        undisplaced = _atoms(phonon.supercell)
        # What is left of the forces without a displacement is not the displacement's.
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
    """Names of points in the same place together."""
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
