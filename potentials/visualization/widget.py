"""Places of the page that `visualize.js` fills: controls, drawings, and the numbers behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from potentials.pages.rendering import as_script


@dataclass(frozen=True)
class Widget:
    """An interactive picture.

    Args:
        kind: which function of `visualize.js` draws it.
        data: JSON-able, for that function.
        caption: below it.
        drawings: names and heights in pixels of the drawings, beside each other where there is room.
        label: what it shows, for those who do not see it.
    """

    kind: str
    data: Mapping[str, Any]
    caption: str
    drawings: Mapping[str, int]
    label: str

    def html(self) -> str:
        """A figure with a place for controls, one for each drawing, and one for what is said of the choice."""
        drawings = Markup("").join(
            Markup(
                '<div><div class="drawing" data-name="{}" style="height: {}px" role="img" aria-label="{}"></div></div>'
            ).format(name, height, self.label)
            for name, height in self.drawings.items()
        )
        return str(
            Markup(
                '<figure class="visual" data-kind="{}"><script type="application/json">{}</script>'
                '<div class="controls"></div><div class="row">{}</div>'
                '<figcaption><span class="said" aria-live="polite"></span> {}</figcaption></figure>'
            ).format(self.kind, as_script(json.dumps(self.data)), drawings, self.caption)
        )


@dataclass(frozen=True)
class SharedData:
    """Numbers that several widgets use."""

    data: Mapping[str, Any]

    def html(self) -> str:
        """A script element that `visualize.js` finds by its name."""
        return f'<script type="application/json" id="visual-shared">{as_script(json.dumps(self.data))}</script>'


@dataclass(frozen=True)
class Equation:
    """An equation in letters, sub- and superscripts: `_{...}` and `^{...}`.

    Args:
        name: what it is called, and where it stands in the literature.
        text: the equation.
    """

    name: str
    text: str

    def html(self) -> str:
        """A line set apart."""
        marked = str(escape(self.text)).replace("   ", "\u2003").replace("_{", "<sub>").replace("^{", "<sup>")
        return (
            f'<p style="border-left: 3px solid var(--line); padding-left: 0.9rem">{_closed(marked)}<br>'
            f'<span style="color: var(--muted); font-size: 13px">{escape(self.name)}</span></p>'
        )


def _closed(text: str) -> str:
    """Each `}` ends the sub- or superscript that was begun last."""
    result, open_tags = "", []
    position = 0
    while position < len(text):
        tag = next((tag for tag in ("sub", "sup") if text.startswith(f"<{tag}>", position)), None)
        if tag is not None:
            open_tags.append(tag)
            result += f"<{tag}>"
            position += len(tag) + 2
            continue
        result += f"</{open_tags.pop()}>" if text[position] == "}" and open_tags else text[position]
        position += 1
    return result


def visualize_script() -> str:
    """The text of `visualize.js`."""
    return files("potentials.visualization").joinpath("static", "visualize.js").read_text(encoding="utf-8")
