"""Energy conservation of dynamics at constant energy."""

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
    """The total energy during a run at constant energy."""

    timestep: float
    """Time step, fs."""
    times: NDArray[np.float64]
    """Time, [T] ps."""
    energies: NDArray[np.float64]
    """Total energy relative to its first value, [T] meV/atom."""
    temperature: float
    """Mean temperature, K."""

    @property
    def drift(self) -> float:
        """Slope of a linear fit to the energies without the first fifth, meV/atom/ps.

        For a relaxed structure the integration error first grows to its mean, which is not drift.
        """
        return float(self._line[0])

    @property
    def fluctuation(self) -> float:
        """Standard deviation from the linear fit, meV/atom."""
        times, energies = self._settled
        return float((energies - np.polyval(self._line, times)).std())

    @property
    def resolution(self) -> float:
        """Smallest drift that can be distinguished from fluctuations in a run of this length, meV/atom/ps."""
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
    """Run velocity Verlet from the given structure, with velocities of `temperature` (K) drawn with the seed.

    Args:
        calculator: gives energies and forces.
        atoms: not changed.
        temperature: of the initial velocities, K.
        timestep: fs.
        steps: total number of steps.
        every: number of steps between recorded energies.
        seed: of the initial velocities.

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
