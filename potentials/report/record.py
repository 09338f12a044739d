"""Contents of a report as JSON: `report.json` beside `report.html`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from plotly.graph_objects import Figure

from potentials.pages import Details, Gallery, Mark, Page, Paragraph, Part, Plot, Row, Section, Table
from potentials.pages.content import figure_json
from potentials.report.summary import TITLE as SUMMARY
from potentials.report.summary import judgments

FORMAT = "potentials report"
VERSION = 1
"""Incremented when the meaning of an entry changes or an entry is removed, but not when entries are added."""
_DRAWN = ("x", "y", "z", "error_x", "error_y", "text", "customdata", "hovertext")
"""Data of a plot's series that are recorded, without the style."""


def report_json(page: Page, names: Mapping[str, str], provenance: Mapping[str, Any]) -> str:
    """Return the JSON record of a report.

    Args:
        page: the page of the report.
        names: names of its sections by title, as for `--skip`.
        provenance: data on the potential and the report.

    Returns:
        JSON text; numbers that are not finite are null.
    """
    sections = [section for section in page.sections if section.title != SUMMARY]
    record = {
        "format": FORMAT,
        "version": VERSION,
        "title": page.title,
        "facts": dict(page.facts),
        "provenance": dict(provenance),
        "judgments": [
            {"section": names.get(section.title, section.identifier), "what": found.what, **_mark(found.mark)}
            for section in sections
            for found in judgments(section)
        ],
        "sections": [_section(section, names) for section in sections],
        "remarks": [text for section in page.sections if section.title == SUMMARY for text in _texts(section.parts)],
        "footer": page.footer,
    }
    return json.dumps(_finite(record), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _section(section: Section, names: Mapping[str, str]) -> dict[str, Any]:
    parts = list(_flat(section.parts))
    return {
        "name": names.get(section.title, section.identifier),
        "title": section.title,
        "good": section.good,
        "missing": section.missing,
        "tables": [_table(part) for part in parts if isinstance(part, Table)],
        "figures": [figure for part in parts for figure in _figures(part)],
        "texts": [*_texts(parts), *[f"{part.summary}\n{part.text}" for part in parts if isinstance(part, Details)]],
    }


def _flat(parts: Sequence[Part]) -> list[Part]:
    """Return the elements, with those of rows in a flat list."""
    return [one for part in parts for one in (_flat(part.parts) if isinstance(part, Row) else [part])]


def _texts(parts: Sequence[Part]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Paragraph)]


def _table(table: Table) -> dict[str, Any]:
    rows = [[_mark(cell) if isinstance(cell, Mark) else cell for cell in row] for row in table.rows]
    return {"columns": list(table.columns), "rows": rows, "caption": table.caption}


def _mark(mark: Mark) -> dict[str, Any]:
    judged: dict[str, Any] = {"mark": mark.kind, "text": mark.text}
    if mark.value is not None:
        judged["value"] = float(mark.value)
    if mark.limits is not None:
        judged["limits"] = {"good": float(mark.limits[0]), "bad": float(mark.limits[1])}
    return judged


def _figures(part: Part) -> list[dict[str, Any]]:
    if isinstance(part, Gallery):
        return [_figure(plot, name) for name, plot in part.plots.items()]
    return [_figure(part, part.label or part.caption)] if isinstance(part, Plot) else []


def _figure(plot: Plot, name: str) -> dict[str, Any]:
    figure = Figure(plot.figure)
    drawn = json.loads(figure_json(figure))
    # Traces name the first axes "x" and "y", the layout "xaxis" and "yaxis".
    axes = {
        key.replace("axis", ""): axis["title"]["text"]
        for key, axis in drawn.get("layout", {}).items()
        if key.startswith(("xaxis", "yaxis")) and axis.get("title", {}).get("text")
    }
    series = [
        {
            "name": trace.name or "",
            "type": trace.type,
            "axes": [getattr(trace, "xaxis", None) or "x", getattr(trace, "yaxis", None) or "y"],
            **{key: _values(trace[key]) for key in _DRAWN if key in trace and trace[key] is not None},
        }
        for trace in figure.data
    ]
    return {"name": name, "caption": plot.caption, "axes": axes, "series": series}


def _values(value: Any) -> Any:
    """Convert arrays and plotly's objects to lists and dictionaries."""
    if hasattr(value, "to_plotly_json"):
        return {key: _values(inner) for key, inner in value.to_plotly_json().items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if value is None or isinstance(value, str | int):
        return value
    return str(value)
