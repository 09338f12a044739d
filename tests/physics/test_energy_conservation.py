"""Energies of dynamics with Morse pairs, and traces that are made up."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from morse_family import morse_potential

from potentials.errors import SimulationError
from potentials.physics.energy_conservation import EnergyTrace, energy_trace
from potentials.physics.short_dynamics import affordable_steps, longest_timestep, seconds_per_step
from potentials.potential import PotentialCalculator


class Spring(Calculator):
    """Two atoms on a spring, or what is not finite."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (as in ASE)
    broken = False

    def calculate(self, atoms: Atoms, properties: list[str], system_changes: list[str] = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        vector = atoms.positions[1] - atoms.positions[0]
        length = np.linalg.norm(vector)
        pull = 30.0 * (length - 1.0) * vector / length
        self.results = {"energy": 15.0 * (length - 1.0) ** 2, "forces": np.array([pull, -pull])}
        if self.broken:
            self.results["energy"] = np.nan


def test_half_the_time_step_makes_the_fluctuations_four_times_smaller() -> None:
    atoms = bulk("Cu", a=3.5639, cubic=True) * (2, 2, 2)
    calculator = PotentialCalculator(morse_potential(), compiled=False)
    long = energy_trace(calculator, atoms, 300.0, 4.0, 150, 1, seed=1)
    short = energy_trace(calculator, atoms, 300.0, 2.0, 300, 2, seed=1)
    np.testing.assert_allclose(short.times, long.times)
    assert long.fluctuation / short.fluctuation == pytest.approx(4.0, rel=0.1)
    assert 100 < long.temperature < 300
    assert long.energies[0] == 0


def test_energies_are_those_of_the_integrator() -> None:
    # Velocity Verlet conserves E to (omega dt)^2 / 8 of the potential energy of a spring, in closed form
    # p^2 / 2m + (k / 2) (1 - (omega dt)^2 / 4) x^2 = const.
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.0]])
    trace = energy_trace(Spring(), atoms, 300.0, 1.0, 400, 1, seed=2)
    squared = 2 * 30.0 / 1.008 * (0.09822694788464063) ** 2  # omega^2 dt^2; dt in A sqrt(amu/eV)
    kinetic = 0.5 * 0.02585199 * 1  # one vibration of k_B T / 2 holds it, as rotation and translation are taken out
    largest = 1e3 * kinetic / 2 / (1 - squared / 4) * squared / 4
    assert np.ptp(trace.energies) == pytest.approx(largest, rel=0.05)


def test_drift_and_fluctuation_of_a_straight_line_with_a_wave() -> None:
    times = np.linspace(0, 2, 2001)
    trace = EnergyTrace(1.0, times, 0.7 * times + 0.2 * np.sin(40 * np.pi * times), 300.0)
    assert trace.drift == pytest.approx(0.7, abs=0.02)
    assert trace.fluctuation == pytest.approx(0.2 / np.sqrt(2), rel=0.01)


def test_what_is_not_finite_is_an_error() -> None:
    calculator = Spring()
    calculator.broken = True
    with pytest.raises(SimulationError, match="not finite"):
        energy_trace(calculator, Atoms("H2", [[0, 0, 0], [0, 0, 1.1]]), 300.0, 0.5, 10, 1, seed=0)


def test_steps_come_from_a_ladder() -> None:
    assert affordable_steps(10.0, 1e-3, (100, 1000, 10000)) == 10000
    assert affordable_steps(9.99, 1e-3, (100, 1000, 10000)) == 1000
    with pytest.raises(SimulationError, match="smaller structure"):
        affordable_steps(0.05, 1e-3, (100, 1000))


def test_time_steps_follow_the_lightest_mass() -> None:
    assert longest_timestep(Atoms("CH")) == 1.0
    assert longest_timestep(Atoms("Si")) == 3.0
    assert longest_timestep(Atoms("Au")) == 4.0


def test_a_step_takes_time() -> None:
    assert 0 < seconds_per_step(Spring(), Atoms("H2", [[0, 0, 0], [0, 0, 1.1]]), 0.5) < 1


def test_the_rise_at_the_start_is_no_drift() -> None:
    times = np.linspace(0, 1, 1001)
    trace = EnergyTrace(1.0, times, 1 - np.exp(-times / 0.01) + 0.1 * np.sin(400 * times), 300.0)
    assert abs(trace.drift) < 0.05
    assert trace.resolution == pytest.approx(2 * 0.1 / np.sqrt(2) / 0.8, rel=0.05)
