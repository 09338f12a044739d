"""The page of an audit: findings with their frames, and plots of the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Bar, Figure, Scatter

from potentials.data.audit.finding import AuditFinding
from potentials.data.label.labels import LabeledFrame
from potentials.pages import Details, Mark, Page, Paragraph, Part, Plot, Row, Section, Table, palette
from potentials.setup.audit.audit import Audit

_MARKS = {"error": Mark("bad", "error"), "warning": Mark("look", "warning"), "note": Mark("none", "note")}
_SHOWN_FRAMES = 400
_BINS = 60
_CAPTION = "Each dot is a frame; red: frames with an error or a warning."


def audit_page(audit: Audit) -> str:
    """Return a self-contained HTML page."""
    sections = [Section("Findings", parts=_findings(audit.findings))]
    sections += [
        Section(f"Labels: {name}", parts=[Row(_plots(frames, audit.findings))])
        for name, frames in audit.data.splits.items()
    ]
    footer = "Energies are relative to the median of their composition."
    return Page(f"Audit: {audit.counts()}", sections=sections, facts=list(audit.facts.items()), footer=footer).html()


def _findings(findings: Sequence[AuditFinding]) -> list[Part]:
    """Return a row for each finding, and lists of their frames."""
    if not findings:
        return [Paragraph("No problems found.")]
    table = Table(
        ("severity", "check", "finding", "why it matters", "what to do"),
        [
            (_MARKS[finding.severity], finding.check, *map(_sentence, (finding.what, finding.why, finding.remedy)))
            for finding in findings
        ],
        text_columns=(1, 2, 3, 4),
    )
    frames = [
        Details(
            f"{finding.check}: {len(finding.frames)} frame{'' if len(finding.frames) == 1 else 's'}", _frames(finding)
        )
        for finding in findings
        if finding.frames
    ]
    return [table, *frames]


def _frames(finding: AuditFinding) -> str:
    """List the numbers of the frames, a line for each file."""
    by_file: dict[str, list[str]] = {}
    for frame in finding.frames:
        by_file.setdefault(frame.file, []).append(str(frame.index))
    return "\n".join(
        f"{file}: {', '.join(numbers[:_SHOWN_FRAMES])}{', ...' if len(numbers) > _SHOWN_FRAMES else ''}"
        for file, numbers in by_file.items()
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _plots(frames: Sequence[LabeledFrame], findings: Sequence[AuditFinding]) -> list[Plot]:
    """Plot energies and largest forces in the order of the frames, and the distribution of force components."""
    named = {
        (frame.file, frame.index) for finding in findings for frame in finding.frames if finding.severity != "note"
    }
    odd = np.array([(frame.frame.file, frame.frame.index) in named for frame in frames], dtype=bool)
    plots = [
        Plot(_dots(_relative_energies(frames), odd, "energy relative to the median, eV/atom"), _CAPTION),
        Plot(_dots(_largest_forces(frames), odd, "largest force, eV/A"), _CAPTION),
    ]
    forces = [np.abs(frame.forces[np.isfinite(frame.forces)]) for frame in frames if np.isfinite(frame.forces).any()]
    if not forces:
        return plots
    return [*plots, Plot(_histogram(np.concatenate(forces)), "Distribution of force components (absolute values).")]


def _dots(values: NDArray[np.float64], odd: NDArray[np.bool_], label: str) -> Figure:
    numbers = np.arange(len(values))
    figure = Figure()
    for chosen, color, size in ((~odd, palette.SERIES[0], 3), (odd, palette.BAD, 6)):
        marker = {"color": color, "size": size}
        shown = values[chosen].astype(np.float32)
        figure.add_trace(Scatter(x=numbers[chosen], y=shown, mode="markers", marker=marker, showlegend=False))
    return figure.update_xaxes(title="frame").update_yaxes(title=label)


def _histogram(values: NDArray[np.float64]) -> Figure:
    counts, edges = np.histogram(values, bins=_BINS)
    centers = (0.5 * (edges[1:] + edges[:-1])).astype(np.float32)
    figure = Figure(Bar(x=centers, y=counts, marker={"color": palette.SERIES[0]}))
    figure.update_layout(bargap=0)
    return figure.update_xaxes(title="absolute force component, eV/A").update_yaxes(title="count", type="log")


def _relative_energies(frames: Sequence[LabeledFrame]) -> NDArray[np.float64]:
    energies = np.array([frame.energy / len(frame.forces) for frame in frames])
    formulas = np.array([frame.frame.atoms.get_chemical_formula() for frame in frames])
    for formula in np.unique(formulas):
        chosen = (formulas == formula) & np.isfinite(energies)
        if chosen.any():
            energies[chosen] -= np.median(energies[chosen])
    return energies


def _largest_forces(frames: Sequence[LabeledFrame]) -> NDArray[np.float64]:
    return np.array([np.linalg.norm(frame.forces, axis=1).max() for frame in frames])
