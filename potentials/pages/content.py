"""What can stand on a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from plotly.graph_objects import Figure, layout

from potentials.pages.rendering import as_script, render


class Part(Protocol):
    """Anything that stands on a page."""

    def html(self) -> str:
        """Its markup, with everything that came from outside escaped."""


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str

    def html(self) -> str:
        """A paragraph."""
        return render("paragraph.html", text=self.text)


@dataclass(frozen=True)
class Html:
    """Markup as it is: whoever makes it has escaped what is not theirs."""

    markup: str

    def html(self) -> str:
        """The markup."""
        return self.markup


@dataclass(frozen=True)
class Details:
    """Preformatted text that is shown when asked for, such as a configuration."""

    summary: str
    text: str

    def html(self) -> str:
        """A box that opens."""
        return render("details.html", summary=self.summary, text=self.text)


@dataclass(frozen=True)
class Mark:
    """A cell of a table that judges: in a color, and in words, as not everybody sees colors.

    Args:
        kind: the judgment.
        text: what the cell says.
        value: the number that is judged, where there is one.
        limits: values up to the first are good, beyond the second bad, between them worth a look.
    """

    kind: Literal["good", "look", "bad", "none"]
    text: str
    value: float | None = field(default=None, compare=False)
    limits: tuple[float, float] | None = field(default=None, compare=False)


_SHORT = 3
"""Columns of so few characters need no room to wrap."""


@dataclass(frozen=True)
class Table:
    """A table: the first column set left, the others right.

    Args:
        columns: heads.
        rows: one cell for each column.
        caption: below the table.
        filterable: whether a field above it chooses the rows that contain a text.
        text_columns: numbers of further columns that are text, set left.
        wide_columns: numbers of columns that are left out on narrow screens.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Mark]]
    caption: str = ""
    filterable: bool = False
    text_columns: Sequence[int] = ()
    wide_columns: Sequence[int] = ()

    def html(self) -> str:
        """The table, in a box of its own that scrolls on a narrow screen."""
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
        figure: without template; colors may be those of `palette`. The page decides on axes, fonts and margins.
        caption: a sentence or two below it.
        height: pixels.
        label: what it shows, for those who do not see it; the caption if not given.
    """

    figure: Figure
    caption: str = ""
    height: int = 380
    label: str = ""

    def html(self) -> str:
        """A place that is drawn when it comes into view."""
        return render("plot.html", plot=self, figure=as_script(figure_json(self.figure)))


@dataclass(frozen=True)
class Gallery:
    """Several plots in one place, with a button for each."""

    plots: Mapping[str, Plot]

    def html(self) -> str:
        """Buttons, and the plot that is chosen."""
        return render("gallery.html", plots=self.plots)


@dataclass(frozen=True)
class Row:
    """Parts beside each other where the screen is wide enough."""

    parts: Sequence[Part]

    def html(self) -> str:
        """Columns."""
        return render("row.html", parts=self.parts)


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Args:
        title: its head, from which its address in the page is made.
        good: one sentence that says what good looks like; empty where nothing is judged.
        parts: what stands in it.
        missing: why there is nothing in it, and what to do about that; shown instead of the parts.
    """

    title: str
    good: str = ""
    parts: Sequence[Part] = field(default=())
    missing: str | None = None

    @property
    def identifier(self) -> str:
        """The title as an address: lower case, words joined by hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")

    def html(self) -> str:
        """Head, what is good, and the parts."""
        return render("section.html", section=self)


def figure_json(figure: Figure) -> str:
    """Data and layout of a figure as JSON, without the template: the page brings its own."""
    figure = Figure(figure)
    figure.update_layout(template=layout.Template())
    try:
        text: str = figure.to_json(remove_uids=True)
    except TypeError:  # names of files that are no text, which the faster engine refuses
        text = figure.to_json(remove_uids=True, engine="json")
    return text
