"""Elements of a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from plotly.graph_objects import Figure, layout

from potentials.pages.rendering import as_script, render


class Part(Protocol):
    """An element of a page."""

    def html(self) -> str:
        """Return the markup, with all external text escaped."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str

    def html(self) -> str:
        """Return the markup of a paragraph."""
        return render("paragraph.html", text=self.text)


@dataclass(frozen=True)
class Html:
    """Markup that is inserted unchanged; the caller escapes all external text."""

    markup: str

    def html(self) -> str:
        """Return the markup."""
        return self.markup


@dataclass(frozen=True)
class Details:
    """Collapsible preformatted text, such as a configuration."""

    summary: str
    text: str

    def html(self) -> str:
        """Return the markup of a collapsible box."""
        return render("details.html", summary=self.summary, text=self.text)


@dataclass(frozen=True)
class Mark:
    """A table cell with a judgment, shown by a color and by text for readers who do not see colors.

    Args:
        kind: the judgment.
        text: text of the cell.
        value: the judged number, if any.
        limits: values up to the first limit are good, values beyond the second are bad, and values between are to be
            checked.
    """

    kind: Literal["good", "look", "bad", "none"]
    text: str
    value: float | None = field(default=None, compare=False)
    limits: tuple[float, float] | None = field(default=None, compare=False)


_SHORT = 3
"""Largest number of characters of a column that is never wrapped."""


@dataclass(frozen=True)
class Table:
    """A table: the first column left-aligned, the others right-aligned.

    Args:
        columns: column headers.
        rows: one cell for each column.
        caption: text below the table.
        filterable: whether to add a text field that filters the rows.
        text_columns: indices of further columns of text, left-aligned.
        wide_columns: indices of columns that are hidden on narrow screens.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Mark]]
    caption: str = ""
    filterable: bool = False
    text_columns: Sequence[int] = ()
    wide_columns: Sequence[int] = ()

    def html(self) -> str:
        """Return the table in a box that scrolls on a narrow screen."""
        classes = [self._classes(column) for column in range(len(self.columns))]
        return render("table.html", table=self, classes=classes, is_mark=lambda cell: isinstance(cell, Mark))

    def _classes(self, column: int) -> str:
        left = column in {0, *self.text_columns}
        cells = [row[column] for row in self.rows]
        holds = {
            "left": left,
            "short": left and all(isinstance(cell, str) and len(cell) <= _SHORT for cell in cells),
            "wide": column in self.wide_columns,
        }
        return " ".join(name for name, true in holds.items() if true)


@dataclass(frozen=True)
class Plot:
    """A plot.

    Args:
        figure: figure without template; colors may be those of `palette`. The page sets axes, fonts and margins.
        caption: one or two sentences below the plot.
        height: height in pixels.
        label: description for screen readers; by default the caption.
    """

    figure: Figure
    caption: str = ""
    height: int = 380
    label: str = ""

    def html(self) -> str:
        """Return an empty element in which the plot is drawn when it becomes visible."""
        return render("plot.html", plot=self, figure=as_script(figure_json(self.figure)))


@dataclass(frozen=True)
class Gallery:
    """Several plots in one place, with a button for each."""

    plots: Mapping[str, Plot]

    def html(self) -> str:
        """Return the buttons and the selected plot."""
        return render("gallery.html", plots=self.plots)


@dataclass(frozen=True)
class Row:
    """Elements side by side if the screen is wide enough."""

    parts: Sequence[Part]

    def html(self) -> str:
        """Return the elements as columns."""
        return render("row.html", parts=self.parts)


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Args:
        title: heading, from which the anchor of the section is derived.
        good: sentence on good values; empty if nothing is judged.
        parts: elements of the section.
        missing: reason why the section is empty, and what to do; shown instead of the elements.
    """

    title: str
    good: str = ""
    parts: Sequence[Part] = field(default=())
    missing: str | None = None

    @property
    def identifier(self) -> str:
        """The title as an anchor: lower case, words joined by hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def html(self) -> str:
        """Return heading, sentence on good values, and elements."""
        return render("section.html", section=self)


def figure_json(figure: Figure) -> str:
    """Return data and layout of a figure as JSON, without the template, which the page provides."""
    figure = Figure(figure)
    figure.update_layout(template=layout.Template())
    try:
        text: str = figure.to_json(remove_uids=True)
    except TypeError:  # names of files that are not valid text, which the faster engine rejects
        text = figure.to_json(remove_uids=True, engine="json")
    return text
