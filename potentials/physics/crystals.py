"""Properties of a crystal: relaxed cell, equation of state and elastic constants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.eos import EquationOfState as Fit
from ase.eos import birchmurnaghan
from numpy.typing import NDArray

from potentials.errors import SimulationError
from potentials.physics.primitive_cell import num_distinct_sites, primitive_cell
from potentials.simulation.relaxation import RelaxationSettings, relax

_FMAX = 1e-3
"""Largest force of a relaxed crystal, eV/A."""
_STEPS = 300
_MOST_SITES = 8
"""Number of inequivalent sites always allowed in a crystal; larger cells may have more."""
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class EquationOfState:
    """Energies of a crystal at several volumes, and the Birch-Murnaghan equation fitted to them."""

    volumes: NDArray[np.float64]
    """[V] A^3/atom."""
    energies: NDArray[np.float64]
    """[V] eV/atom, atoms relaxed within each cell."""
    volume: float
    """Volume at the minimum, A^3/atom."""
    energy: float
    """Energy at the minimum, eV/atom."""
    bulk_modulus: float
    """Bulk modulus at the minimum, GPa."""
    pressure_derivative: float
    """B', the derivative of the bulk modulus with respect to the pressure."""

    def __call__(self, volumes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate the fitted energy, eV/atom, at volumes in A^3/atom."""
        parameters = (self.energy, self.bulk_modulus * units.GPa, self.pressure_derivative, self.volume)
        return np.asarray(birchmurnaghan(volumes, *parameters), dtype=np.float64)

    @property
    def deviation(self) -> float:
        """Largest deviation of an energy from the fit, eV/atom."""
        return float(np.abs(self(self.volumes) - self.energies).max())


@dataclass(frozen=True, eq=False)
class ElasticConstants:
    """Stiffness of a crystal, and moduli of a polycrystal (Hill, Proc. Phys. Soc. A 65, 349 (1952))."""

    stiffness: NDArray[np.float64]
    """[6, 6] GPa, C_ij = d stress_i / d strain_j in Voigt order xx yy zz yz xz xy, symmetrized."""
    asymmetry: float
    """GPa, largest difference |C_ij - C_ji| before symmetrization."""

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """[6] GPa, ascending."""
        return np.asarray(np.linalg.eigvalsh(self.stiffness), dtype=np.float64)

    @property
    def stable(self) -> bool:
        """Born's criterion: every small strain raises the energy, so all eigenvalues are positive."""
        return bool(self.eigenvalues[0] > 0)

    @cached_property
    def _compliance(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.inv(self.stiffness), dtype=np.float64)

    @property
    def bulk(self) -> tuple[float, float, float]:
        """Bulk modulus, GPa: Voigt (uniform strain), Reuss (uniform stress), and Hill's mean of both."""
        voigt = float(self.stiffness[:3, :3].sum()) / 9
        reuss = 1 / float(self._compliance[:3, :3].sum())
        return voigt, reuss, (voigt + reuss) / 2

    @property
    def shear(self) -> tuple[float, float, float]:
        """Shear modulus, GPa: Voigt, Reuss, Hill."""
        c, s = self.stiffness, self._compliance
        off = c[0, 1] + c[1, 2] + c[0, 2]
        voigt = float(np.trace(c[:3, :3]) - off + 3 * np.trace(c[3:, 3:])) / 15
        off = s[0, 1] + s[1, 2] + s[0, 2]
        reuss = 15 / float(4 * (np.trace(s[:3, :3]) - off) + 3 * np.trace(s[3:, 3:]))
        return voigt, reuss, (voigt + reuss) / 2

    @property
    def young(self) -> float:
        """Young's modulus of Hill's moduli, GPa."""
        return 9 * self.bulk[2] * self.shear[2] / (3 * self.bulk[2] + self.shear[2])

    @property
    def poisson(self) -> float:
        """Poisson's ratio of Hill's moduli."""
        bulk, shear = self.bulk[2], self.shear[2]
        return (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))


def relaxed_crystal(calculator: Calculator, atoms: Atoms) -> Atoms:
    """Relax positions and cell, and reduce the result to its primitive cell, in the orientation of `atoms`.

    Raises:
        SimulationError: the structure is not periodic in three directions, the relaxation does not converge, or so many
            sites of the result are inequivalent that it is not a crystal (a liquid, a glass, a defect).
    """
    if not atoms.pbc.all():
        raise SimulationError(f"a crystal is periodic in three directions; got pbc = {atoms.pbc.tolist()}")
    # The symmetry of a perfect crystal is found before relaxation, and its primitive cell relaxes faster.
    roughly = RelaxationSettings(fmax=10 * _FMAX, steps=_STEPS, cell=True)
    primitive = primitive_cell(relax(calculator, primitive_cell(atoms), roughly).atoms)
    sites = num_distinct_sites(primitive)
    if sites > max(_MOST_SITES, len(primitive) // 2):
        raise SimulationError(
            f"the relaxed cell of {len(atoms)} atoms is not a crystal: it has {sites} inequivalent sites"
        )
    result = relax(calculator, primitive, RelaxationSettings(fmax=_FMAX, steps=_STEPS, cell=True))
    if not result.converged:
        raise SimulationError(
            f"the cell of {len(primitive)} atoms is not relaxed after {result.steps} steps: forces are "
            f"{result.fmax:.2g} eV/A, the stress {result.largest_stress:.2g} GPa"
        )
    return _bare(result.atoms)


def equation_of_state(
    calculator: Calculator, crystal: Atoms, largest: float = 0.06, points: int = 9
) -> EquationOfState:
    """Scale a relaxed crystal to several volumes, relax the atoms at each, and fit the Birch-Murnaghan equation.

    Args:
        calculator: gives energies and forces.
        crystal: relaxed.
        largest: largest relative change of the volume, in both directions.
        points: number of volumes.

    Raises:
        SimulationError: the energy has no minimum within these volumes, or the fit fails.
    """
    volumes, energies = [], []
    for change in np.linspace(1 - largest, 1 + largest, points):
        strained = crystal.copy()
        strained.set_cell(crystal.cell * change ** (1 / 3), scale_atoms=True)
        relaxed = relax(calculator, strained, RelaxationSettings(fmax=_FMAX, steps=_STEPS))
        volumes.append(strained.get_volume() / len(crystal))
        energies.append(relaxed.energy_after / len(crystal))
    lowest = int(np.argmin(energies))
    if not 0 < lowest < points - 1:
        raise SimulationError(
            f"the energy has no minimum within {largest:.0%} of the relaxed volume of {volumes[points // 2]:.3f} A^3 "
            "per atom"
        )
    fit = Fit(volumes, energies, eos="birchmurnaghan")
    try:
        fit.fit(warn=False)
    except (RuntimeError, ValueError) as error:  # raised by scipy if the fit does not converge
        raise SimulationError(f"the Birch-Murnaghan equation cannot be fitted to the energies: {error}") from error
    energy, bulk_modulus, pressure_derivative, volume = (float(value) for value in fit.eos_parameters)
    return EquationOfState(
        np.array(volumes), np.array(energies), volume, energy, bulk_modulus / units.GPa, pressure_derivative
    )


def elastic_constants(calculator: Calculator, crystal: Atoms, strain: float = 5e-3) -> ElasticConstants:
    """Compute C_ij by central differences of the stress for each of the six strains, with relaxed atoms.

    Args:
        calculator: gives energies, forces and stresses.
        crystal: relaxed; the axes are those of its Cartesian coordinates.
        strain: in Voigt notation, with engineering shear strains.
    """
    stiffness = np.zeros((6, 6))
    for column, (row, other) in enumerate(_VOIGT):
        stresses = []
        for sign in (1, -1):
            deformation = np.eye(3)
            deformation[row, other] += sign * strain / 2
            deformation[other, row] += sign * strain / 2
            strained = crystal.copy()
            strained.set_cell(crystal.cell.array @ deformation, scale_atoms=True)
            relaxed = relax(calculator, strained, RelaxationSettings(fmax=_FMAX, steps=_STEPS))
            stresses.append(relaxed.atoms.get_stress(voigt=True))
        stiffness[:, column] = (stresses[0] - stresses[1]) / (2 * strain) / units.GPa
    return ElasticConstants((stiffness + stiffness.T) / 2, float(np.abs(stiffness - stiffness.T).max()))


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
