"""Section of the report: energy and force of two atoms as functions of their distance."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from plotly.graph_objects import Figure, Scatter
from plotly.subplots import make_subplots

from potentials.pages import Gallery, Mark, Paragraph, Part, Plot, Section, Table, palette
from potentials.physics.dimers import DimerCurve, dimer_curve
from potentials.report.judging import number
from potentials.report.structures.choice import Known, known
from potentials.report.subject import Subject
from potentials.setup.data_statistics import shortest_distances

TITLE = "Dimer curves"
GOOD = (
    "below the shortest distance in the data, the energy increases as the atoms approach. If it decreases, the mark "
    "depends on the barrier that the atoms must cross first: “check” for at least 5 eV, which is rarely crossed in a "
    "simulation, and “bad” for less. At the cutoff the curve goes smoothly to zero."
)
SHORTEST = 0.4
"""A."""
MOST_ELEMENTS = 5
_POINTS = 240
_LOW_BARRIER = 5.0
"""eV."""
_SHOWN = 20.0
"""eV (eV/A) of repulsion in the initial view; more is visible by zooming out."""


def section(subject: Subject) -> Section:
    """Build curves of all pairs of elements, and a table of their features."""
    data = known(subject)
    elements = _elements(subject, data)
    shortest = shortest_distances([frame.frame.atoms for frame in data.frames], subject.potential.cutoff)
    distances = np.geomspace(SHORTEST, 1.02 * subject.potential.cutoff, _POINTS).tolist()
    curves = {
        "-".join(pair): dimer_curve(subject.potential, pair, distances)
        for pair in itertools.combinations_with_replacement(elements, 2)
    }
    nearest = {name: shortest.get("-".join(sorted(curve.elements))) for name, curve in curves.items()}
    parts: list[Part] = [
        Gallery(
            {
                name: Plot(_figure(curve, nearest[name]), _caption(nearest[name], data), 520, name)
                for name, curve in curves.items()
            }
        ),
        _table(curves, nearest, data),
    ]
    if subject.potential.zbl is None:
        parts.append(
            Paragraph(
                "This potential has no ZBL repulsion. Train with model: {zbl: true} to add it and keep atoms apart."
            )
        )
    if len(elements) < len(subject.potential.elements):
        left_out = [symbol for symbol in subject.potential.elements if symbol not in elements]
        parts.append(
            Paragraph(
                f"Of {len(subject.potential.elements)} elements the {len(elements)} most frequent ones are shown; "
                f"left out: {', '.join(left_out)}."
            )
        )
    return Section(TITLE, GOOD, parts)


def _elements(subject: Subject, data: Known) -> list[str]:
    """Return at most `MOST_ELEMENTS` elements, the most frequent in the data set, by atomic number."""
    elements = subject.potential.elements
    count = Counter(symbol for frame in data.frames for symbol in frame.frame.atoms.get_chemical_symbols())
    chosen = sorted(elements, key=lambda symbol: -count[symbol])[:MOST_ELEMENTS]
    return [symbol for symbol in elements if symbol in chosen]


def _figure(curve: DimerCurve, nearest: float | None) -> Figure:
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    energy = {"mode": "lines", "x": curve.distances.round(4)}
    figure.add_trace(Scatter(y=_short(curve.energies), name="energy", line_color=palette.SERIES[0], **energy), 1, 1)
    if curve.repulsion is not None:
        zbl = {"color": palette.SERIES[4], "dash": "dash"}
        figure.add_trace(Scatter(y=_short(curve.repulsion), name="ZBL contribution", line=zbl, **energy), 1, 1)
    figure.add_trace(Scatter(y=_short(curve.forces), name="force", line_color=palette.SERIES[1], **energy), 2, 1)
    for row, values in ((1, curve.energies), (2, curve.forces)):
        figure.add_hline(y=0, line_color=palette.LINE, line_width=1, row=row, col=1)
        figure.update_yaxes(range=_range(curve, values, nearest), row=row, col=1)
    unknown_to = curve.distances[-1] if nearest is None else nearest
    figure.add_vrect(x0=0, x1=unknown_to, fillcolor=palette.SHADE, line_width=0, layer="below", row="all", col=1)
    figure.add_annotation(
        x=unknown_to / 2, y=0.98, yref="y domain", text="no data here", showarrow=False, font_color=palette.MUTED
    )
    figure.update_yaxes(title_text="energy (eV)", row=1, col=1)
    figure.update_yaxes(title_text="force (eV/Å)", row=2, col=1)
    figure.update_xaxes(range=[0, curve.distances[-1]])
    figure.update_xaxes(title_text="distance (Å)", row=2, col=1)
    return figure


def _short(values: np.ndarray) -> list[float]:
    """Round to five digits, which is sufficient for plots."""
    return [float(f"{value:.5g}") for value in values]


def _range(curve: DimerCurve, values: np.ndarray, nearest: float | None) -> list[float]:
    """Return the range of an axis: all values within the range of the data, and the others up to a limit."""
    inside = values[curve.distances >= nearest] if nearest is not None else values[curve.distances > 1.0]
    highest = min(float(values.max()), max(_SHOWN, 1.5 * float(inside.max(initial=0.0))))
    lowest = max(float(values.min()), min(-_SHOWN, 1.5 * float(inside.min(initial=0.0))))
    margin = 0.08 * (highest - lowest) or 1.0
    return [lowest - margin, highest + margin]


def _caption(nearest: float | None, data: Known) -> str:
    zoom = "Energies are relative to two isolated atoms; double-click to show the whole range."
    if nearest is None:
        return (
            f"There is no pair of these elements within the cutoff in {data.name}: the whole curve is an "
            f"extrapolation. {zoom}"
        )
    return f"The shortest distance in {data.name} is {nearest:.3f} Å. {zoom}"


def _table(curves: dict[str, DimerCurve], nearest: dict[str, float | None], data: Known) -> Table:
    rows: list[list[str | Mark]] = []
    for name, curve in curves.items():
        distance, depth = curve.well
        shortest = nearest[name]
        rows.append(
            [
                name,
                "never" if shortest is None else f"{shortest:.3f}",
                f"{depth:.2f} at {distance:.2f}" if depth < -1e-3 else "none",
                number(float(curve.energies[0])),
                _judgment(curve, shortest),
            ]
        )
    return Table(
        [
            "pair",
            f"shortest in {data.name.removeprefix('the ')} (Å)",
            "well depth (eV) at distance (Å)",
            f"energy at {SHORTEST} Å (eV)",
            "short distances",
        ],
        rows,
        "An isolated pair of atoms is not a bond in a molecule: the depth of the well may differ, and "
        "the curve is an extrapolation if the data contain no dimers. Only distances below the shortest "
        "distance in the data are judged; for pairs of elements that do not occur in the data, distances below 1.5 "
        "times the sum of the covalent radii.",
    )


def _judgment(curve: DimerCurve, nearest: float | None) -> Mark:
    radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in curve.elements)
    hole = curve.hole(1.5 * radii, 0.6 * radii) if nearest is None else curve.hole(nearest, 0.7 * nearest)
    if hole is None:
        return Mark("good", "repulsive")
    text = f"attractive at {hole.distance:.2f} Å, barrier {number(hole.barrier, 2)} eV"
    return Mark("bad" if hole.barrier < _LOW_BARRIER else "look", text)
