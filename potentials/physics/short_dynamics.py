"""Molecular dynamics without files, for monitoring during the run, and the time per step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from potentials.errors import DataError, SimulationError
from potentials.simulation.md_integrators import make_integrator
from potentials.simulation.md_settings import MDSettings
from potentials.simulation.md_velocities import draw_velocities

_WARM_UP = 5
_TIMED = 15
_LADDER = (50, 100, 250, 500, 1000, 2000, 4000, 8000)


def dynamics(calculator: Calculator, atoms: Atoms, settings: MDSettings) -> Iterator[int]:
    """Move `atoms` in place, with initial velocities drawn with the seed; yield the number of each step, from 0.

    Raises:
        SimulationError: energy or forces are not finite, or the neighbor search fails for the positions.
    """
    rng = np.random.default_rng(settings.seed)
    draw_velocities(atoms, settings.temperature, rng)
    atoms.calc = calculator
    integrator = make_integrator(atoms, settings, rng)
    try:
        for _ in integrator.irun(settings.steps):
            if not (np.isfinite(atoms.get_potential_energy()) and np.isfinite(atoms.get_forces()).all()):
                raise SimulationError("energy or forces are not finite")
            yield int(integrator.nsteps)
    except DataError as error:
        raise SimulationError(str(error)) from error


def seconds_per_step(calculator: Calculator, atoms: Atoms, timestep: float) -> float:
    """Measure the median wall time of a step of constant-energy dynamics at 300 K, after kernels are compiled."""
    settings = MDSettings(temperature=300.0, timestep=timestep, steps=_WARM_UP + _TIMED)
    marks = []
    for _ in dynamics(calculator, atoms.copy(), settings):
        marks.append(time.perf_counter())
    return float(np.median(np.diff(marks[_WARM_UP:])))


def affordable_steps(seconds: float, of_step: float, ladder: Sequence[int] = _LADDER) -> int:
    """Return the largest of a few numbers of steps that fit into a time, so that results hardly depend on the machine.

    Raises:
        SimulationError: even the smallest number does not fit.
    """
    fitting = [steps for steps in ladder if steps * of_step <= seconds]
    if not fitting:
        raise SimulationError(
            f"a step takes {of_step:.2g} s, so {ladder[0]} steps do not fit into the {seconds:.0f} s allowed; "
            "use a smaller structure"
        )
    return fitting[-1]


def longest_timestep(atoms: Atoms) -> float:
    """Return the longest time step in fs for the lightest atoms: 1 for hydrogen, scaled by sqrt(mass), at most 4."""
    return float(np.clip(round(1.2 * np.sqrt(atoms.get_masses().min())) / 2, 1.0, 4.0))
