"""Section of the report: a short simulation at a higher temperature than the data."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms
from plotly.graph_objects import Figure

from potentials.errors import SimulationError
from potentials.pages import (
    Gallery,
    Mark,
    Paragraph,
    Part,
    Plot,
    Row,
    Section,
    StructureFrame,
    StructureView,
    Table,
    palette,
)
from potentials.physics.distances import DistanceDistribution, bond_lengths, distance_distributions
from potentials.physics.hot_dynamics import CLOSENESS, STRETCH, HotRun, hot_run
from potentials.physics.short_dynamics import affordable_steps, longest_timestep, seconds_per_step
from potentials.report.judging import mark
from potentials.report.structures.calculators import fast_calculator
from potentials.report.structures.choice import bare, kinds, known, named_temperature
from potentials.report.structures.starting_structure import starting_structure
from potentials.report.subject import Subject
from potentials.setup.data_statistics import shortest_distances
from potentials.simulation.md_settings import MDSettings

TITLE = "Stability at high temperature"
GOOD = (
    "no failure: no bond twice as long as at the start, no atoms closer than 0.8 times the shortest distance in "
    "the data, no diverging temperature; distances are distributed as in the data, broadened by the "
    "higher temperature only."
)
_DEFAULT_TEMPERATURE = 1000.0
_HOTTER = 300.0
"""K above the temperature in the names of the data."""
_SPENT = 0.7
"""Fraction of the time limit."""
_LARGEST = 6.0
"""Largest distance of distributions, A."""
_MOST_PAIRS = 10
_MOST_FRAMES = 200
_SHIFT, _LARGE_SHIFT = 0.03, 0.1
"""A, changes of mean bond lengths."""


def section(subject: Subject) -> Section:
    """Run Langevin dynamics, and compare its outcome and distances with the data."""
    start, reason = starting_structure(subject)
    if start is None:
        return Section(TITLE, GOOD, missing=reason)
    temperature, why = _temperature(subject)
    calculator = fast_calculator(subject.potential)
    timestep = longest_timestep(start) / 2
    try:
        steps = affordable_steps(_SPENT * subject.budget, seconds_per_step(calculator, start, timestep))
    except SimulationError as error:
        return Section(TITLE, GOOD, missing=f"{start.get_chemical_formula()}: {error}")
    settings = MDSettings("langevin", temperature=temperature, timestep=timestep, steps=steps, seed=subject.seed)
    shortest = shortest_distances([frame.frame.atoms for frame in known(subject).frames], subject.potential.cutoff)
    run = hot_run(calculator, start, settings, shortest)
    return Section(
        TITLE,
        GOOD,
        [
            Paragraph(
                f"{start.get_chemical_formula()}, Langevin dynamics at {temperature:.0f} K ({why}), time step "
                f"{timestep:g} fs, {steps} steps requested. It starts from the frame with the lowest energy "
                "per atom (without energies: with the smallest forces); the calculator is compiled, in the precision "
                f"of the potential ({subject.potential.precision})."
            ),
            _outcome(run, steps * timestep * 1e-3),
            Row([_temperature_plot(run, temperature), _structures(start, run)]),
            *_comparison(subject, run),
        ],
    )


def _temperature(subject: Subject) -> tuple[float, str]:
    named = named_temperature(subject)
    if named is None:
        return _DEFAULT_TEMPERATURE, "the default, because no split, file or group name contains a temperature"
    return named + _HOTTER, f"{_HOTTER:.0f} K above the {named} K found in the names of splits, files or groups"


def _outcome(run: HotRun, asked: float) -> Table:
    verdict = Mark("good", "stable") if run.failure is None else Mark("bad", "failed")
    rows: list[list[str | Mark]] = [
        ["outcome", run.failure or "no failure", verdict],
        ["simulated (ps)", f"{run.time:.3g} of {asked:.3g}", ""],
        ["mean temperature of the second half (K)", f"{run.temperature:.0f}", ""],
        ["bonds monitored", str(run.watched_bonds), ""],
    ]
    return Table(
        ["", "", "judgment"],
        rows,
        f"Failure criteria: bonds of molecules (broken when {STRETCH:g} times as long), atoms closer than "
        f"{CLOSENESS:g} times the shortest distance in the data, temperatures above five times the requested one.",
    )


def _temperature_plot(run: HotRun, temperature: float) -> Plot:
    figure = Figure()
    thin = max(1, len(run.times) // 400)
    figure.add_scatter(
        x=run.times[::thin].round(5),
        y=run.temperatures[::thin].round(1),
        mode="lines",
        name="temperature",
        line={"color": palette.PREDICTION, "width": 1.3},
        showlegend=False,
    )
    figure.add_hline(y=temperature, line_color=palette.MUTED, line_dash="dash", line_width=1)
    figure.update_layout(xaxis_title="time (ps)", yaxis_title="temperature (K)")
    figure.update_yaxes(rangemode="tozero")
    return Plot(figure, "Dashed: requested temperature.", 380)


def _structures(start: Atoms, run: HotRun) -> StructureView:
    ends = "where it failed" if run.failure else "at the end"
    return StructureView(
        [
            StructureFrame("start", bare(start), caption="The structure at the start."),
            StructureFrame("end", run.last, caption=f"The structure {ends}, after {run.time:.3g} ps."),
        ],
        height=380,
    )


def _comparison(subject: Subject, run: HotRun) -> list[Part]:
    """Compare distributions and bond lengths of the run, without its first tenth, with frames of the same substance."""
    frames = kinds(subject)[0].frames
    of_data = [frame.frame.atoms for frame in frames[:: -(-len(frames) // _MOST_FRAMES)]]
    of_run = run.structures[len(run.structures) // 10 :]
    data, simulated = (distance_distributions(structures, _LARGEST) for structures in (of_data, of_run))
    simulated = {name: found for name, found in simulated.items() if found.density.any()}
    names = sorted(simulated, key=lambda name: -simulated[name].density.max())[:_MOST_PAIRS]
    plots = {
        name: _distribution_plot(name, data.get(name), simulated[name], len(of_data), len(of_run))
        for name in sorted(names)
    }
    parts: list[Part] = [Gallery(plots)]
    if len(simulated) > _MOST_PAIRS:
        parts.append(Paragraph(f"Of {len(simulated)} pairs of elements, {_MOST_PAIRS} are shown."))
    if run.watched_bonds:
        parts.append(_bond_table(of_data, of_run))
    return parts


def _bond_table(of_data: Sequence[Atoms], of_run: Sequence[Atoms]) -> Table:
    bonds_of_data, bonds_of_run = bond_lengths(of_data), bond_lengths(of_run)
    rows: list[list[str | Mark]] = []
    for name, of_name in bonds_of_run.items():
        before = bonds_of_data.get(name)
        if before is None:
            rows.append([name, "none", f"{of_name.mean:.3f} ± {of_name.std:.3f}", Mark("bad", "new bonds")])
            continue
        shift = of_name.mean - before.mean
        kind = mark(abs(shift), _SHIFT, _LARGE_SHIFT, f"{shift:+.3f} Å")
        rows.append([name, f"{before.mean:.3f} ± {before.std:.3f}", f"{of_name.mean:.3f} ± {of_name.std:.3f}", kind])
    return Table(
        ["bonds", "data: length (Å)", "simulation: length (Å)", "shift of the mean"],
        rows,
        "Mean and standard deviation of distances below 1.25 times the sum of the covalent radii. Good up to "
        f"{_SHIFT:g} Å, bad beyond {_LARGE_SHIFT:g} Å; thermal expansion alone stretches bonds by about 0.01 Å.",
    )


def _distribution_plot(
    name: str, data: DistanceDistribution | None, simulated: DistanceDistribution, of_data: int, of_run: int
) -> Plot:
    figure = Figure()
    if data is not None:
        figure.add_scatter(
            x=data.distances.round(3),
            y=data.density.round(4),
            mode="lines",
            name="data",
            fill="tozeroy",
            fillcolor=palette.SHADE,
            line={"color": palette.REFERENCE, "width": 1.5, "shape": "hvh"},
        )
    figure.add_scatter(
        x=simulated.distances.round(3),
        y=simulated.density.round(4),
        mode="lines",
        name="simulation",
        line={"color": palette.PREDICTION, "width": 1.5, "shape": "hvh"},
    )
    seen = simulated.distances[simulated.density + (0 if data is None else data.density) > 0]
    figure.update_xaxes(range=[max(0.0, seen[0] - 0.3), min(_LARGEST, seen[-1] + 0.3)])
    figure.update_layout(xaxis_title="distance (Å)", yaxis_title="g(r)" if simulated.periodic else "density (1/Å)")
    what = "Radial distribution function" if simulated.periodic else "Distribution of all distances"
    return Plot(figure, f"{what} of {name}: {of_run} structures of the simulation, {of_data} of the data.", 340)
