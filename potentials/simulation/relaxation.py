"""Relaxation of structures to the nearest local minimum of the energy: positions, or positions and cell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from ase.optimize.optimize import Optimizer

from potentials.data.read import Frame
from potentials.data.write import StructureOutput, check_structure_output
from potentials.errors import DataError, SimulationError, UnknownElementError
from potentials.simulation.constraints import check_constraint_atoms, constraint_errors

OptimizerName = Literal["lbfgs", "bfgs", "fire"]

_OPTIMIZERS: dict[str, type[Optimizer]] = {"lbfgs": LBFGS, "bfgs": BFGS, "fire": FIRE}


@dataclass(frozen=True)
class RelaxationSettings:
    """Settings of a relaxation.

    Raises:
        SimulationError: values are invalid; the message lists all of them.
    """

    optimizer: OptimizerName = "lbfgs"
    """`lbfgs`: fast, for any size. `bfgs`: often fewer steps, for up to a few hundred atoms. `fire`: slow and
    robust."""
    fmax: float = 0.01
    """eV/A; converged when no force is larger. With `cell`, stress plus pressure, times the volume per atom, must be
    below this value in eV too (ASE's `FrechetCellFilter`)."""
    steps: int = 500
    """Maximum number of steps."""
    cell: bool = False
    """Relax all six degrees of freedom of the cell as well."""
    pressure: float | None = None
    """GPa, with `cell`: minimize the enthalpy E + pV; 0 by default."""

    def __post_init__(self) -> None:
        problems = []
        if self.optimizer not in get_args(OptimizerName):
            problems.append(f'optimizer: expected one of {", ".join(get_args(OptimizerName))}, got "{self.optimizer}"')
        if not (math.isfinite(self.fmax) and self.fmax > 0):
            problems.append(f"fmax: expected a positive force in eV/A, got {self.fmax:g}")
        if self.steps < 0:
            problems.append(f"steps: expected an integer, at least 0, got {self.steps}")
        if self.pressure is not None and not math.isfinite(self.pressure):
            problems.append(f"pressure: expected a pressure in GPa, got {self.pressure:g}")
        if self.pressure is not None and not self.cell:
            problems.append("pressure requires relaxation of the cell; add cell (--cell)")
        if problems:
            raise SimulationError("\n".join(problems))


@dataclass(frozen=True)
class RelaxationResult:
    """One structure after relaxation."""

    atoms: Atoms
    """The relaxed structure with energy, forces and, for 3D periodic cells, stress; `info` is preserved."""
    converged: bool
    steps: int
    fmax: float
    """Largest force on an atom, eV/A."""
    energy_before: float
    """eV."""
    energy_after: float
    """eV."""
    volume_before: float
    """A^3; NaN without a 3D periodic cell."""
    volume_after: float
    largest_stress: float
    """Largest component of stress plus pressure, GPa; NaN if the cell was not relaxed."""


def relax(calculator: Calculator, atoms: Atoms, settings: RelaxationSettings | None = None) -> RelaxationResult:
    """Relax a copy of `atoms` with its constraints.

    Args:
        calculator: gives energies and forces (with `cell`, stresses).
        atoms: the structure; not changed.
        settings: by default `RelaxationSettings()`.

    Returns:
        The relaxed structure; energies in eV, largest force in eV/A, stress in GPa.

    Raises:
        SimulationError: the cell is to be relaxed but not periodic in three directions; energy or forces are not
            finite; the constraints cannot be satisfied.
        UnknownElementError: the potential does not support an element of the structure.
    """
    settings = settings or RelaxationSettings()
    if settings.cell and not atoms.pbc.all():
        raise SimulationError(
            "relaxing the cell requires a cell that is periodic in three directions; "
            f"{atoms.get_chemical_formula()} has pbc = {atoms.pbc.tolist()}"
        )
    check_constraint_atoms(atoms)
    with constraint_errors(atoms):
        return _relax(calculator, atoms, settings)


def _relax(calculator: Calculator, atoms: Atoms, settings: RelaxationSettings) -> RelaxationResult:
    relaxed = atoms.copy()
    relaxed.set_constraint(deepcopy(atoms.constraints))
    relaxed.calc = calculator
    pressure = (settings.pressure or 0.0) * units.GPa
    energy_before, volume_before = _finite_energy(relaxed, 0), _volume(relaxed)
    target = FrechetCellFilter(relaxed, scalar_pressure=pressure) if settings.cell else relaxed
    optimizer = _OPTIMIZERS[settings.optimizer](target, logfile=None)
    converged = False
    try:
        for reached in optimizer.irun(fmax=settings.fmax, steps=settings.steps):
            _finite_energy(relaxed, optimizer.nsteps)
            converged = bool(reached)
    except DataError as error:
        raise SimulationError(f"step {optimizer.nsteps} of the relaxation: {error}") from error
    forces = relaxed.get_forces()
    return RelaxationResult(
        atoms=_detach(relaxed),
        converged=converged,
        steps=optimizer.nsteps,
        fmax=float(np.linalg.norm(forces, axis=1).max(initial=0.0)),
        energy_before=energy_before,
        energy_after=float(relaxed.get_potential_energy()),
        volume_before=volume_before,
        volume_after=_volume(relaxed),
        largest_stress=_largest_stress(relaxed, pressure) if settings.cell else math.nan,
    )


def relax_frames(
    calculator: Calculator, frames: Sequence[Frame], settings: RelaxationSettings, output: Path
) -> Iterator[RelaxationResult]:
    """Relax structures one by one, and write each to `output` (extxyz) when it is done.

    `info` of the written structures has `relaxation_converged` and `relaxation_steps`.

    Args:
        calculator: gives energies and forces (with `settings.cell`, stresses).
        frames: the structures; not changed.
        settings: see `RelaxationSettings`.
        output: a `.extxyz` or `.xyz` file, which is replaced.

    Yields:
        The result for each structure, in order.

    Raises:
        DataError: the output cannot be written.
        SimulationError, UnknownElementError: as in `relax`, naming the frame; structures relaxed before are written.
    """
    check_structure_output(output, frames)
    output.unlink(missing_ok=True)
    written = StructureOutput(output)
    for frame in frames:
        try:
            result = relax(calculator, frame.atoms, settings)
        except (SimulationError, UnknownElementError, DataError) as error:
            raise type(error)(f"{frame}: {error}") from error
        result.atoms.info.update(relaxation_converged=result.converged, relaxation_steps=result.steps)
        written.append(result.atoms)
        yield result


def _finite_energy(atoms: Atoms, step: int) -> float:
    energy = float(atoms.get_potential_energy())
    if not (math.isfinite(energy) and np.isfinite(atoms.get_forces()).all()):
        raise SimulationError(
            f"step {step} of the relaxation: energy or forces are not finite; the structure has left the "
            "range of the training data. Start from another structure or train on such structures"
        )
    return energy


def _volume(atoms: Atoms) -> float:
    return float(atoms.get_volume()) if atoms.pbc.all() else math.nan


def _largest_stress(atoms: Atoms, pressure: float) -> float:
    return float(np.abs(atoms.get_stress(voigt=False) + pressure * np.eye(3)).max()) / units.GPa


def _detach(atoms: Atoms) -> Atoms:
    """Return a copy with stored results in place of the calculator."""
    copy = atoms.copy()
    names = ("energy", "free_energy", "energies", "forces", "stress")
    results = {name: atoms.calc.results[name] for name in names if name in atoms.calc.results}
    copy.calc = SinglePointCalculator(copy, **results)
    return copy
