"""First section of a report: the judgments of all other sections with their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from potentials.pages import Mark, Paragraph, Part, Row, Section, Table
from potentials.report.subject import Subject

TITLE = "Summary"
_ORDER = ("bad", "look", "good")
_SHOWN = {"good": "good", "look": "check", "bad": "bad"}
"""Labels of the kinds of marks on the page."""
_NAMELESS = ("", "judgment")
"""Column headers that add nothing to the mark."""


@dataclass(frozen=True)
class Judgment:
    """A mark in a table of a section."""

    what: str
    mark: Mark


def judgments(section: Section) -> list[Judgment]:
    """Return all judgments of a section."""
    return [found for table in _tables(section.parts) for found in _judgments(table)]


def summary(subject: Subject, sections: Sequence[Section]) -> Section:
    """Build a table with a row per section: number of judgments, worst value, and expected value."""
    rows = [_row(section) for section in sections if section.missing is not None or judgments(section)]
    table = Table(
        ["section", "judged", "worst value", "", "expected"],
        rows,
        "Only values with a stated limit are judged; each section begins with its limits. Marks show "
        "where to look, not whether the potential suits your purpose.",
        text_columns=(1, 2, 4),
        wide_columns=(1, 4),
    )
    remarks = [Paragraph(f"Note: {text}.") for text in subject.remarks]
    return Section(TITLE, parts=[*remarks, table])


def _row(section: Section) -> list[str | Mark]:
    if section.missing is not None:
        return [section.title, "-", section.missing, Mark("none", "not available"), ""]
    found = judgments(section)
    counts: Counter[str] = Counter(one.mark.kind for one in found)
    worst = min(found, key=lambda one: _ORDER.index(one.mark.kind))
    judged = ", ".join(f"{counts[kind]} {_SHOWN[kind]}" for kind in reversed(_ORDER) if counts[kind])
    return [section.title, judged, worst.what, Mark(worst.mark.kind, _SHOWN[worst.mark.kind]), section.good]


def _tables(parts: Sequence[Part]) -> Iterator[Table]:
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, Row):
            yield from _tables(part.parts)


def _judgments(table: Table) -> Iterator[Judgment]:
    for row in table.rows:
        name = row[0].text if isinstance(row[0], Mark) else row[0]
        if name.replace(",", "").isdigit():
            name = f"{table.columns[0]} {name}"
        for head, cell in zip(table.columns, row, strict=True):
            if isinstance(cell, Mark) and cell.kind in _ORDER:
                label = "" if head in _NAMELESS else f"{head} "
                yield Judgment(f"{name}: {label}{cell.text}", cell)
