"""The time integrators of molecular dynamics, all of them ASE's, and the state that continues one exactly."""

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
"""fs: time in which the volume forgets its velocity in `npt`; also sets the mass of the barostat."""


def make_integrator(atoms: Atoms, settings: MDSettings, rng: np.random.Generator) -> MolecularDynamics:
    """The integrator of the ensemble.

    - `nve`: velocity Verlet.
    - `langevin`: Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310 (2006), eq. 23. Acts on all atoms, the center
      of mass included, and so samples the canonical distribution.
    - `npt`: Langevin dynamics of the atoms and of the volume, Quigley and Probert, J. Chem. Phys. 120, 11432 (2004),
      by BAOAB splitting (Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013)). The cell keeps its shape. The
      mass of the barostat is W = (3N + 3) k_B T tau^2 (Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994))
      with tau = `BAROSTAT_TIME` and the highest temperature of the run. Unlike Nose-Hoover chains this is ergodic for
      a small crystal, and its whole state (one momentum, one force, a random generator) can be saved.

    Raises:
        SimulationError: `npt` of a structure that is not periodic in three directions, or has constraints.
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
    """What, besides positions, momenta and cell, the next step depends on; JSON-able."""
    state: dict[str, Any] = {"random": rng.bit_generator.state}
    if isinstance(integrator, LangevinBAOAB):
        # The force on the volume belongs to the momenta before the last half step, so it cannot be recomputed.
        state["barostat"] = {"momentum": float(integrator.p_eps), "force": float(integrator.force_eps)}
    return state


def restore_integrator(integrator: MolecularDynamics, rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Undo `integrator_state`."""
    rng.bit_generator.state = state["random"]
    if isinstance(integrator, LangevinBAOAB):
        integrator.p_eps = state["barostat"]["momentum"]
        integrator.force_eps = state["barostat"]["force"]
