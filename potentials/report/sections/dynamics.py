"""Section of the report: energy conservation in NVE dynamics at two time steps."""

from __future__ import annotations

from ase import Atoms
from plotly.graph_objects import Figure

from potentials.errors import SimulationError
from potentials.pages import Mark, Plot, Section, Table, palette
from potentials.physics.energy_conservation import EnergyTrace, energy_trace
from potentials.physics.short_dynamics import affordable_steps, longest_timestep, seconds_per_step
from potentials.report.judging import mark, number
from potentials.report.structures.calculators import fast_calculator
from potentials.report.structures.starting_structure import starting_structure
from potentials.report.subject import Subject

TITLE = "Energy conservation"
GOOD = (
    "half the time step reduces the fluctuations of the total energy by a factor of four (3 to 5), "
    "as velocity Verlet does for smooth forces that are the derivative of the energy; the drift is "
    "below 1 meV/atom/ps."
)
START_TEMPERATURE = 600.0
"""K, of the initial velocities; from a relaxed structure half of it is converted to potential energy."""
_DRIFT, _LARGE_DRIFT = 1.0, 10.0
"""meV/atom/ps."""
_POINTS = 400


def section(subject: Subject) -> Section:
    """Build a plot of the total energies of two runs from the same start, and a table."""
    start, reason = starting_structure(subject)
    if start is None:
        return Section(TITLE, GOOD, missing=reason)
    calculator = fast_calculator(subject.potential)
    timestep = longest_timestep(start)
    try:
        # The run with the short time step has twice as many steps; the rest of the time is a reserve.
        of_step = seconds_per_step(calculator, start, timestep)
        steps = affordable_steps(0.6 * subject.budget / 3, of_step)
        traces = [
            energy_trace(
                calculator,
                start,
                START_TEMPERATURE,
                step,
                int(steps * timestep / step),
                int(timestep / step),
                subject.seed,
            )
            for step in (timestep / 2, timestep)
        ]
    except SimulationError as error:
        return Section(TITLE, GOOD, missing=f"{start.get_chemical_formula()}: the dynamics failed: {error}")
    return Section(TITLE, GOOD, [Plot(_figure(traces), _caption(subject, start, traces)), _table(traces)])


def _caption(subject: Subject, start: Atoms, traces: list[EnergyTrace]) -> str:
    return (
        f"{start.get_chemical_formula()}: {traces[0].times[-1]:.3g} ps of NVE dynamics with each time step, from the "
        f"same structure and velocities. Initial temperature {START_TEMPERATURE:.0f} K, mean temperature "
        f"{traces[0].temperature:.0f} K. The calculator is compiled, in the precision of the potential "
        f"({subject.potential.precision})."
    )


def _figure(traces: list[EnergyTrace]) -> Figure:
    figure = Figure()
    for trace, color in zip(reversed(traces), (palette.SERIES[1], palette.SERIES[0]), strict=True):
        thin = max(1, len(trace.times) // _POINTS)
        figure.add_scatter(
            x=trace.times[::thin].round(5),
            y=trace.energies[::thin].round(5),
            mode="lines",
            name=f"{trace.timestep:g} fs",
            line={"color": color, "width": 1.3},
        )
    figure.update_layout(xaxis_title="time (ps)", yaxis_title="change of the total energy (meV/atom)")
    return figure


def _table(traces: list[EnergyTrace]) -> Table:
    rows: list[list[str | Mark]] = [
        [
            f"{trace.timestep:g} fs",
            str(round(trace.times[-1] / trace.timestep * 1e3)),
            number(trace.fluctuation),
            number(trace.drift, 2),
            _judged_drift(trace),
        ]
        for trace in traces
    ]
    ratio = traces[1].fluctuation / traces[0].fluctuation
    away = max(ratio / 4, 4 / ratio)
    rows.append(
        ["ratio", "", number(ratio), "", mark(away, 4 / 3, 2.0, "as expected" if away <= 4 / 3 else "expected 4")]
    )
    return Table(
        ["time step", "steps", "fluctuation (meV/atom)", "drift (meV/atom/ps)", "judgment"],
        rows,
        "Fluctuation: standard deviation from the straight line whose slope is the drift, without the "
        "first fifth of the run. The drift over the run is significant only if it exceeds twice the fluctuation.",
    )


def _judged_drift(trace: EnergyTrace) -> Mark:
    size = abs(trace.drift)
    if size <= _DRIFT:
        return Mark("good", "conserved")
    if size <= trace.resolution:
        return Mark("none", "run too short to judge")
    return mark(size, _DRIFT, _LARGE_DRIFT, "drifts")
