"""Section of the report: speed and memory on this machine."""

from __future__ import annotations

import os

from ase import Atoms
from plotly.graph_objects import Figure
from plotly.subplots import make_subplots

from potentials.errors import SimulationError
from potentials.pages import Mark, Paragraph, Part, Plot, Section, Table, palette
from potentials.physics.short_dynamics import longest_timestep, seconds_per_step
from potentials.potential import PotentialCalculator
from potentials.report.judging import mark
from potentials.report.structures.calculators import fast_calculator
from potentials.report.structures.starting_structure import starting_structure
from potentials.report.subject import Subject
from potentials.setup.speed import machine, multiplied, peak_memories, seconds_per_call

TITLE = "Speed and memory"
GOOD = (
    "the time per atom is constant or decreases with size (within a factor of 1.5), and the largest "
    "structure that you want to simulate fits in memory."
)
_MOST_DOUBLINGS = 3
_MOST_ATOMS = 4000
_CALLS = 11
"""Number of evaluations for each size, including warm-up."""
_GROWTH, _LARGE_GROWTH = 1.5, 3.0
_MEGABYTE = 1e6
_LEAST_TIME = 120.0
"""Seconds for the process that measures memory, which includes its imports."""


def section(subject: Subject) -> Section:
    """Measure time per step, simulated time per day, and time and memory against the number of atoms."""
    start, reason = starting_structure(subject)
    if start is None:
        return Section(TITLE, GOOD, missing=reason)
    calculator = fast_calculator(subject.potential)
    timestep = longest_timestep(start) / 2
    of_step = seconds_per_step(calculator, start, timestep)
    structures, seconds = _timed(subject, calculator, start)
    memories, problems = _memories(subject, structures)
    sizes = [len(atoms) for atoms in structures]
    parts: list[Part] = [
        Table(
            ["", ""], [list(fact) for fact in _facts(subject, calculator, start, timestep, of_step)], text_columns=(1,)
        ),
        Plot(_figure(sizes, seconds, memories), _caption(), 420 if memories else 300, "time and memory against atoms"),
        _table(sizes, seconds, memories),
        *problems,
    ]
    return Section(TITLE, GOOD, parts)


def _timed(subject: Subject, calculator: PotentialCalculator, start: Atoms) -> tuple[list[Atoms], list[float]]:
    """Return structures of doubled sizes, as far as time allows, and seconds for energy and forces of each."""
    structures, seconds = [start], [seconds_per_call(calculator, start)]
    for doublings in range(1, _MOST_DOUBLINGS + 1):
        larger = multiplied(start, doublings, subject.potential.cutoff)
        if len(larger) > _MOST_ATOMS or 2 * seconds[-1] * _CALLS > subject.budget / 4:
            break
        structures.append(larger)
        seconds.append(seconds_per_call(calculator, larger))
    return structures, seconds


def _memories(subject: Subject, structures: list[Atoms]) -> tuple[list[int] | None, list[Paragraph]]:
    device = subject.potential.reference_energies.device.type
    limit = max(_LEAST_TIME, subject.budget)
    try:
        return peak_memories(subject.model_file, structures, device, limit), []
    except SimulationError as error:
        return None, [Paragraph(f"{error}.")]


def _facts(
    subject: Subject, calculator: PotentialCalculator, start: Atoms, timestep: float, of_step: float
) -> list[tuple[str, str]]:
    potential = subject.potential
    parameters = sum(parameter.numel() for parameter in potential.parameters())
    compilation = calculator.compiled_potential.compilation
    nanoseconds = 86400 / of_step * timestep * 1e-6
    return [
        *machine(potential.reference_energies.device),
        ("system load", f"{os.getloadavg()[0]:.1f} processes on average in the last minute, including this one"),
        ("potential", f"{potential.config.name}, {parameters} parameters, {potential.precision}"),
        ("compiled", compilation.note if compilation else "no"),
        (
            "dynamics",
            f"{start.get_chemical_formula()}: {1e3 * of_step:.3g} ms per step, {nanoseconds:.3g} ns per day with a "
            f"time step of {timestep:g} fs",
        ),
    ]


def _figure(sizes: list[int], seconds: list[float], memories: list[int] | None) -> Figure:
    figure = make_subplots(rows=2 if memories else 1, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    line = {"mode": "lines+markers", "x": sizes, "showlegend": False}
    figure.add_scatter(
        y=[float(f"{1e3 * value:.4g}") for value in seconds],
        name="ms",
        line_color=palette.SERIES[0],
        row=1,
        col=1,
        **line,
    )
    figure.update_yaxes(title_text="time (ms)", type="log", nticks=5, row=1, col=1)
    if memories:
        figure.add_scatter(
            y=[round(value / _MEGABYTE, 1) for value in memories[1:]],
            name="MB",
            line_color=palette.SERIES[1],
            row=2,
            col=1,
            **line,
        )
        figure.update_yaxes(title_text="memory (MB)", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(type="log", tickvals=sizes, ticktext=[str(size) for size in sizes])
    figure.update_xaxes(title_text="atoms", row=2 if memories else 1, col=1)
    return figure


def _caption() -> str:
    return (
        "Energy and forces of the compiled potential, median of nine calls with moving atoms. Larger "
        "structures are repetitions of the smallest one (for molecules: separate copies). Memory: peak "
        "memory of a separate process, or memory allocated by torch on a GPU."
    )


def _table(sizes: list[int], seconds: list[float], memories: list[int] | None) -> Table:
    of_atom = [1e6 * value / size for size, value in zip(sizes, seconds, strict=True)]
    growth = of_atom[-1] / of_atom[0]
    rows: list[list[str | Mark]] = []
    for index, (size, value) in enumerate(zip(sizes, seconds, strict=True)):
        judged: str | Mark = ""
        if index and index == len(sizes) - 1:
            words = f"{growth:.2g} times the time per atom of the smallest structure"
            judged = mark(growth, _GROWTH, _LARGE_GROWTH, words)
        memory = f"{memories[index + 1] / _MEGABYTE:.0f}" if memories else "-"
        rows.append([str(size), f"{1e3 * value:.3g}", f"{of_atom[index]:.3g}", memory, judged])
    caption = ""
    if memories:
        caption = f"Importing torch, loading and compiling take {memories[0] / _MEGABYTE:.0f} MB at most."
    return Table(["atoms", "time (ms)", "per atom (us)", "memory (MB)", "judgment"], rows, caption)
