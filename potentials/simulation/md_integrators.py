"""The time integrators of molecular dynamics, from ASE, and their state for exact continuation."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet

from potentials.errors import SimulationError
from potentials.simulation.md_settings import MDSettings

BAROSTAT_TIME = 1000.0
"""Relaxation time of the volume in `npt`, fs; also sets the mass of the barostat."""


def make_integrator(atoms: Atoms, settings: MDSettings, rng: np.random.Generator) -> MolecularDynamics:
    """Create the integrator of the ensemble.

    - `nve`: velocity Verlet.
    - `langevin`: Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23. It acts on all atoms, the
      center of mass included, and so samples the canonical distribution.
    - `npt`: Langevin dynamics of the atoms and of the volume, Quigley and Probert, J. Chem. Phys. 120, 11432 (2004),
      by BAOAB splitting (Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013)). The cell keeps its shape. The
      mass of the barostat is W = (3N + 3) k_B T tau^2 (Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994))
      with tau = `BAROSTAT_TIME` and the highest temperature of the run. Unlike Nose-Hoover chains it is ergodic for
      a small crystal, and its complete state (one momentum, one force, a random generator) can be saved.

    Raises:
        SimulationError: `npt` for a structure that is not periodic in three directions, or has constraints.
    """
    timestep = settings.timestep * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    friction = settings.thermostat_friction / units.fs
    if settings.ensemble == "langevin":
        return Langevin(atoms, timestep, temperature_K=settings.temperature, friction=friction, fixcm=False, rng=rng)
    if not atoms.pbc.all():
        raise SimulationError(
            "npt requires a cell that is periodic in three directions; "
            f"{atoms.get_chemical_formula()} has pbc = {atoms.pbc.tolist()}. Use nve or langevin"
        )
    if atoms.constraints:
        raise SimulationError("npt moves all atoms with the cell and does not support constraints; remove them")
    barostat_time = BAROSTAT_TIME * units.fs
    return LangevinBAOAB(
        atoms,
        timestep,
        temperature_K=settings.temperature,
        externalstress=-(settings.pressure or 0.0) * units.GPa,
        hydrostatic=True,
        T_tau=1.0 / friction,
        P_tau=barostat_time,
        P_mass=3 * (len(atoms) + 1) * units.kB * settings.highest_temperature * barostat_time**2,
        rng=rng,
    )


def set_temperature(integrator: MolecularDynamics, temperature: float) -> None:
    """Change the target temperature [K] of a thermostat."""
    integrator.set_temperature(temperature_K=temperature)


def integrator_state(integrator: MolecularDynamics, rng: np.random.Generator) -> dict[str, Any]:
    """Return the state that determines the next step, besides positions, momenta and cell, for JSON."""
    state: dict[str, Any] = {"random": rng.bit_generator.state}
    if isinstance(integrator, LangevinBAOAB):
        # The force on the volume depends on the momenta before the last half step, so it cannot be recomputed.
        state["barostat"] = {"momentum": float(integrator.p_eps), "force": float(integrator.force_eps)}
    return state


def restore_integrator(integrator: MolecularDynamics, rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Restore the state returned by `integrator_state`."""
    rng.bit_generator.state = state["random"]
    if isinstance(integrator, LangevinBAOAB):
        integrator.p_eps = state["barostat"]["momentum"]
        integrator.force_eps = state["barostat"]["force"]
