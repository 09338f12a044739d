"""Settings of a molecular dynamics run."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from potentials.errors import SimulationError

Ensemble = Literal["nve", "langevin", "npt"]

DEFAULT_FRICTION = 0.01
"""1/fs: velocities are uncorrelated after about 0.1 ps."""

_FEMTOSECONDS = {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9}


@dataclass(frozen=True)
class MDSettings:
    """Settings of a molecular dynamics run.

    Raises:
        SimulationError: values are invalid or do not apply to the ensemble; the message lists all of them.
    """

    ensemble: Ensemble = "nve"
    """`nve`: constant energy and volume. `langevin`: constant temperature and volume. `npt`: constant temperature and
    pressure, with a cell of constant shape."""
    temperature: float = 300.0
    """K; for `nve`, of the initial velocities."""
    temperature_end: float | None = None
    """K; final temperature of a linear ramp over the run. None: constant temperature."""
    pressure: float | None = None
    """GPa, for `npt`; 0 by default."""
    timestep: float = 0.5
    """Time step, fs."""
    steps: int = 1000
    """Total number of steps, including those before a continuation."""
    friction: float | None = None
    """1/fs, for `langevin` and `npt`; 0.01 by default."""
    seed: int = 0
    """Random seed of the initial velocities and the thermostat."""
    every: int = 10
    """Number of steps between frames of the trajectory and rows of the log."""
    keep_velocities: bool = False
    """Start with the velocities of the structure instead of drawing them."""

    def __post_init__(self) -> None:
        problems = [*self._wrong_values(), *self._useless_values()]
        if problems:
            raise SimulationError("\n".join(problems))

    def _wrong_values(self) -> list[str]:
        problems = []
        if self.ensemble not in get_args(Ensemble):
            problems.append(f'ensemble: expected one of {", ".join(get_args(Ensemble))}, got "{self.ensemble}"')
        coldest = 0.0 if self.ensemble == "nve" else 1e-3
        for name, value in (("temperature", self.temperature), ("temperature_end", self.temperature_end)):
            if value is not None and not (math.isfinite(value) and value >= coldest):
                problems.append(f"{name}: expected a temperature of at least {coldest:g} K, got {value:g}")
        if self.pressure is not None and not math.isfinite(self.pressure):
            problems.append(f"pressure: expected a pressure in GPa, got {self.pressure:g}")
        for name, value in (("timestep", self.timestep), ("friction", self.friction)):
            if value is not None and not (math.isfinite(value) and value > 0):
                quantity = "time step in fs" if name == "timestep" else "friction in 1/fs"
                problems.append(f"{name}: expected a positive {quantity}, got {value:g}")
        for name, count, least in (("steps", self.steps, 0), ("every", self.every, 1), ("seed", self.seed, 0)):
            if count < least:
                problems.append(f"{name}: expected an integer, at least {least}, got {count}")
        return problems

    def _useless_values(self) -> list[str]:
        problems = []
        if self.ensemble == "nve" and self.temperature_end is not None:
            problems.append("temperature_end: nve has no thermostat; use the langevin or npt ensemble")
        if self.ensemble == "nve" and self.friction is not None:
            problems.append("friction: nve has no thermostat; use the langevin or npt ensemble")
        if self.ensemble != "npt" and self.pressure is not None:
            problems.append(f"pressure: the volume is constant in {self.ensemble}; use the npt ensemble")
        return problems

    @property
    def thermostat_friction(self) -> float:
        """Friction of the thermostat, 1/fs."""
        return DEFAULT_FRICTION if self.friction is None else self.friction

    @property
    def highest_temperature(self) -> float:
        """Highest target temperature of the run, K."""
        return max(self.temperature, self.temperature_end or 0.0)

    def temperature_at(self, step: int) -> float:
        """Return the target temperature in K after `step` steps: T + (T_end - T) step / steps."""
        if self.temperature_end is None:
            return self.temperature
        return self.temperature + (self.temperature_end - self.temperature) * step / max(self.steps, 1)

    def physics(self) -> dict[str, Any]:
        """Return the settings that a continued run must keep, as values for JSON.

        The number of steps is one of them only if the temperature depends on it.
        """
        values = asdict(self)
        del values["every"]
        if self.temperature_end is None:
            del values["steps"]
        return values


def number_of_steps(steps: int | None, time: str | None, timestep: float) -> int:
    """Return the length of a run given in steps or as a time; that of `MDSettings` if neither is given.

    Raises:
        SimulationError: both are given, or the time is invalid.
    """
    if steps is not None and time is not None:
        raise SimulationError(f"give the length of the run in steps ({steps}) or as a time ({time}), not both")
    if time is not None:
        return steps_of_time(time, timestep)
    return MDSettings.steps if steps is None else steps


def steps_of_time(time: str, timestep: float) -> int:
    """Return the number of time steps (of `timestep` fs) in a time such as `500fs`, `10ps` or `1ns`, rounded.

    Raises:
        SimulationError: the text is not a time, or the time is shorter than half a step.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*(fs|ps|ns|us)\s*", time)
    if match is None:
        raise SimulationError(f'time: expected a number and a unit, such as "500fs", "10ps" or "1ns", got "{time}"')
    steps = round(float(match[1]) * _FEMTOSECONDS[match[2]] / timestep)
    if steps < 1:
        raise SimulationError(f'time: "{time}" is shorter than one step of {timestep:g} fs')
    return steps
