"""How well dynamics at constant energy conserves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from potentials.physics.short_dynamics import dynamics
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
        """meV/atom/ps, slope of a straight line through the energies, the first fifth left out.

        From a calm structure the error of the integrator first grows to its mean, which is no drift.
        """
        return float(self._line[0])

    @property
    def fluctuation(self) -> float:
        """meV/atom, standard deviation from that line."""
        times, energies = self._settled
        return float((energies - np.polyval(self._line, times)).std())

    @property
    def resolution(self) -> float:
        """meV/atom/ps, drifts below which a run of this length cannot tell from fluctuations."""
        times, _ = self._settled
        return 2 * self.fluctuation / float(times[-1] - times[0])

    @property
    def _settled(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        start = len(self.times) // 5
        return self.times[start:], self.energies[start:]

    @property
    def _line(self) -> NDArray[np.float64]:
        return np.asarray(np.polyfit(*self._settled, 1), dtype=np.float64)


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
