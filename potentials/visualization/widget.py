"""Elements of the page that `visualize.js` fills: controls, drawings, and their data."""

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
        kind: name of the function of `visualize.js` that draws it.
        data: JSON-serializable data for that function.
        caption: text below the drawing.
        drawings: names and heights in pixels of the drawings, side by side if there is room.
        label: description for screen readers.
    """

    kind: str
    data: Mapping[str, Any]
    caption: str
    drawings: Mapping[str, int]
    label: str

    def html(self) -> str:
        """Return a figure with elements for the controls, for each drawing, and for the text on the selection."""
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
    """Data that several widgets use."""

    data: Mapping[str, Any]

    def html(self) -> str:
        """Return a script element that `visualize.js` finds by its name."""
        return f'<script type="application/json" id="visual-shared">{as_script(json.dumps(self.data))}</script>'


@dataclass(frozen=True)
class Equation:
    """An equation in letters, with sub- and superscripts: `_{...}` and `^{...}`.

    Args:
        name: name of the equation, and its number in the literature.
        text: the equation.
    """

    name: str
    text: str

    def html(self) -> str:
        """Return the equation as a separate line."""
        marked = str(escape(self.text)).replace("   ", "\u2003").replace("_{", "<sub>").replace("^{", "<sup>")
        return (
            f'<p style="border-left: 3px solid var(--line); padding-left: 0.9rem">{_closed(marked)}<br>'
            f'<span style="color: var(--muted); font-size: 13px">{escape(self.name)}</span></p>'
        )


def _closed(text: str) -> str:
    """Convert markup so that each `}` ends the innermost open sub- or superscript."""
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
    """Return the text of `visualize.js`."""
    return files("potentials.visualization").joinpath("static", "visualize.js").read_text(encoding="utf-8")
