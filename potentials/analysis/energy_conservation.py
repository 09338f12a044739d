"""How well dynamics at constant energy conserves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from potentials.analysis.short_dynamics import dynamics
from potentials.simulation.md_settings import MDSettings


@dataclass(frozen=True, eq=False)
class EnergyTrace:
    """The total energy in the course of a run at constant energy."""

    timestep: float
    """fs."""
    times: NDArray[np.float64]
    """[T] ps."""
    energies: NDArray[np.float64]
    """[T] meV/atom, less the first."""
    temperature: float
    """K, mean."""

    @property
    def drift(self) -> float:
        """meV/atom/ps, slope of a straight line through the energies."""
        return float(np.polyfit(self.times, self.energies, 1)[0])

    @property
    def fluctuation(self) -> float:
        """meV/atom, standard deviation from that line."""
        return float((self.energies - np.polyval(np.polyfit(self.times, self.energies, 1), self.times)).std())


def energy_trace(
    calculator: Calculator, atoms: Atoms, temperature: float, timestep: float, steps: int, every: int, seed: int
) -> EnergyTrace:
    """Velocity Verlet from the structure as it is, with velocities of `temperature` (K) drawn with the seed.

    Args:
        calculator: of energies and forces.
        atoms: not changed.
        temperature: of the velocities at the start.
        timestep: fs.
        steps: in all.
        every: steps from one energy that is noted to the next.
        seed: of the velocities.

    Raises:
        SimulationError: energies or forces are not finite.
    """
    atoms = atoms.copy()
    settings = MDSettings(temperature=temperature, timestep=timestep, steps=steps, seed=seed)
    times, energies, temperatures = [], [], []
    for step in dynamics(calculator, atoms, settings):
        if step % every == 0:
            times.append(step * timestep * 1e-3)
            energies.append(1e3 * atoms.get_total_energy() / len(atoms))
            temperatures.append(atoms.get_temperature())
    return EnergyTrace(timestep, np.array(times), np.array(energies) - energies[0], float(np.mean(temperatures)))
