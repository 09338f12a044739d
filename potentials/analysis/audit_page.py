"""The page of an audit: findings with their frames, and pictures of what the labels look like."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from potentials.analysis.audit import Audit
from potentials.data.audit.finding import AuditFinding
from potentials.data.label import LabelledFrame

_COLOURS = {"error": "#b3261e", "warning": "#a15c00", "note": "#555555"}
_SHOWN_FRAMES = 400

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2rem; } svg { max-width: 100%; height: auto; }
.finding { border-left: 4px solid; padding: 0.2rem 0.9rem; margin: 1rem 0; background: #fafafa; }
.finding p { margin: 0.3rem 0; } .check { font-family: ui-monospace, monospace; font-size: 13px; }
details { font-size: 13px; }
"""


def audit_page(audit: Audit) -> str:
    """A page that needs nothing but itself."""
    counts = ", ".join(f"{audit.count(name)} {name}s" for name in _COLOURS)
    facts = "".join(f"<p><b>{html.escape(part)}</b>: {html.escape(text)}</p>" for part, text in audit.facts.items())
    findings = "".join(_finding(finding) for finding in audit.findings) or "<p>Nothing was found.</p>"
    pictures = "".join(
        f"<h2>{html.escape(part)}</h2>{_pictures(part, frames, audit.findings)}"
        for part, frames in audit.data.parts.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Audit</title><style>{_STYLE}</style></head>
<body>
<h1>Audit: {counts}</h1>
{facts}
<h2>Findings</h2>
{findings}
{pictures}
<p>Dots are frames; those that a finding names are red. Energies are shown without the median of their composition.</p>
</body>
</html>
"""


def _finding(finding: AuditFinding) -> str:
    colour = _COLOURS[finding.severity]
    frames = ""
    if finding.frames:
        by_file: dict[str, list[str]] = {}
        for frame in finding.frames:
            by_file.setdefault(frame.file, []).append(str(frame.index))
        lists = "".join(
            f"<p>{html.escape(file)}: "
            f"{', '.join(numbers[:_SHOWN_FRAMES])}{', ...' if len(numbers) > _SHOWN_FRAMES else ''}</p>"
            for file, numbers in by_file.items()
        )
        frames = f"<details><summary>{len(finding.frames)} frames</summary>{lists}</details>"
    return (
        f'<div class="finding" style="border-color: {colour}"><p><span class="check" style="color: {colour}">'
        f"{finding.severity} {html.escape(finding.check)}</span></p><p><b>{html.escape(finding.what)}.</b></p>"
        f"<p>{html.escape(_sentence(finding.why))}</p><p>{html.escape(_sentence(finding.remedy))}</p>{frames}</div>"
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _pictures(part: str, frames: Sequence[LabelledFrame], findings: Sequence[AuditFinding]) -> str:
    """Energies and largest forces in the order of the frames, and how large forces are."""
    named = {
        (frame.file, frame.index) for finding in findings for frame in finding.frames if finding.severity != "note"
    }
    odd = np.array([(frame.frame.file, frame.frame.index) in named for frame in frames])
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    _scatter(axes[0], _relative_energies(frames), odd, "energy, eV/atom, relative")
    _scatter(axes[1], _largest_forces(frames), odd, "largest force, eV/A")
    forces = [np.abs(frame.forces[np.isfinite(frame.forces)]) for frame in frames if np.isfinite(frame.forces).any()]
    if forces:
        axes[2].hist(np.concatenate(forces), bins=60, color="#3366aa", log=True)
    axes[2].set_xlabel("force component, eV/A")
    axes[2].set_ylabel("number")
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": part}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    picture = text.getvalue()
    return picture[picture.index("<svg") :]


def _scatter(axes: Axes, values: np.ndarray, odd: np.ndarray, label: str) -> None:
    numbers = np.arange(len(values))
    axes.plot(numbers[~odd], values[~odd], ".", ms=3, color="#3366aa")
    axes.plot(numbers[odd], values[odd], ".", ms=5, color="#cc2222")
    axes.set_xlabel("frame")
    axes.set_ylabel(label)


def _relative_energies(frames: Sequence[LabelledFrame]) -> np.ndarray:
    energies = np.array([frame.energy / len(frame.forces) for frame in frames])
    formulas = np.array([frame.frame.atoms.get_chemical_formula() for frame in frames])
    for formula in np.unique(formulas):
        chosen = (formulas == formula) & np.isfinite(energies)
        if chosen.any():
            energies[chosen] -= np.median(energies[chosen])
    return energies


def _largest_forces(frames: Sequence[LabelledFrame]) -> np.ndarray:
    return np.array([np.linalg.norm(frame.forces, axis=1).max() for frame in frames])
