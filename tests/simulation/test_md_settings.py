import pytest

from potentials.errors import SimulationError
from potentials.simulation import MDSettings
from potentials.simulation.md_settings import steps_of_time


@pytest.mark.parametrize(
    ("text", "timestep", "steps"),
    [("500fs", 0.5, 1000), ("10ps", 0.5, 20000), ("1 ns", 2.0, 500000), ("1.5e1ps", 1.0, 15000), (".1ps", 0.3, 333)],
)
def test_steps_of_time(text: str, timestep: float, steps: int) -> None:
    assert steps_of_time(text, timestep) == steps


@pytest.mark.parametrize("text", ["10", "ps", "10 minutes", "-1ps", "0.1fs"])
def test_times_that_make_no_sense(text: str) -> None:
    with pytest.raises(SimulationError, match="time: "):
        steps_of_time(text, 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ensemble": "nvt"}, 'expected one of nve, langevin, npt, got "nvt"'),
        ({"pressure": 1.0}, "volume is constant in nve; use the npt"),
        ({"ensemble": "langevin", "pressure": 1.0}, "volume is constant in langevin"),
        ({"friction": 0.01}, "friction: nve has no thermostat"),
        ({"temperature_end": 600.0}, "temperature_end: nve has no thermostat"),
        ({"temperature": -1.0}, "temperature: expected a temperature of at least "),
        ({"ensemble": "npt", "temperature": 0.0}, "temperature: expected a temperature of at least "),
        ({"ensemble": "npt", "pressure": float("nan")}, "pressure: expected a pressure in GPa"),
        ({"timestep": 0.0}, "timestep: expected a positive time step in fs"),
        ({"ensemble": "langevin", "friction": -1.0}, "friction: expected a positive friction in 1/fs"),
        ({"steps": -1}, "steps: expected an integer"),
        ({"every": 0}, "every: expected an integer"),
        ({"seed": -1}, "seed: expected an integer"),
    ],
)
def test_wrong_values(values: dict, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        MDSettings(**values)


def test_all_problems_at_once() -> None:
    with pytest.raises(SimulationError, match=r"(?s)timestep.*friction.*pressure"):
        MDSettings(timestep=-1.0, friction=0.1, pressure=0.0)


def test_temperature_ramp() -> None:
    settings = MDSettings(ensemble="langevin", temperature=100.0, temperature_end=300.0, steps=10)
    assert [settings.temperature_at(step) for step in (0, 5, 10)] == [100.0, 200.0, 300.0]
    assert settings.highest_temperature == 300.0
    assert MDSettings(temperature=250.0).temperature_at(7) == 250.0


def test_a_run_may_grow_unless_its_temperature_depends_on_the_length() -> None:
    assert MDSettings(steps=10, every=1).physics() == MDSettings(steps=20, every=5).physics()
    assert MDSettings(timestep=0.5).physics() != MDSettings(timestep=1.0).physics()
    ramp = {"ensemble": "langevin", "temperature_end": 400.0}
    assert MDSettings(**ramp, steps=10).physics() != MDSettings(**ramp, steps=20).physics()
