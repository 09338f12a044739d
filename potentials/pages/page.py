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
    """A page of sections with a list of contents.

    Args:
        title: of the page and of the window.
        subtitle: one line below it.
        sections: in order.
        facts: names and values shown at the top, such as the model's family and the date.
        footer: a line at the end.
        scripts: further JavaScript, run after that of the page kit.
    """

    title: str
    subtitle: str = ""
    sections: Sequence[Section] = ()
    facts: Sequence[tuple[str, str]] = ()
    footer: str = ""
    scripts: Sequence[str] = field(default=())

    def html(self) -> str:
        """The whole file; it fetches nothing, and its content security policy forbids that anything does."""
        scripts = [plotly_script(), *(asset(name) for name in SCRIPTS), *self.scripts]
        return render(
            "page.html",
            page=self,
            style=Markup(asset("page.css")),
            scripts=[Markup(script) for script in scripts],
        )
