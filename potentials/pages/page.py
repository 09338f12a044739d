"""A page: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from potentials.pages.assets import SCRIPTS, asset, plotly_script
from potentials.pages.content import Section
from potentials.pages.rendering import render


@dataclass(frozen=True)
class Page:
    """A page of sections with a table of contents.

    Args:
        title: title of the page and of the window.
        subtitle: line below the title.
        sections: the sections in order.
        facts: names and values shown at the top, such as the model's family and the date.
        footer: line at the end.
        scripts: additional JavaScript, run after the scripts of the page.
    """

    title: str
    subtitle: str = ""
    sections: Sequence[Section] = ()
    facts: Sequence[tuple[str, str]] = ()
    footer: str = ""
    scripts: Sequence[str] = field(default=())

    def html(self) -> str:
        """Return the complete file; it loads nothing, and its content security policy forbids network access."""
        scripts = [plotly_script(), *(asset(name) for name in SCRIPTS), *self.scripts]
        return render(
            "page.html",
            page=self,
            style=Markup(asset("page.css")),
            scripts=[Markup(script) for script in scripts],
        )
