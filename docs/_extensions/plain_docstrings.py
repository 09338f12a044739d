"""Docstrings are plain text with code in backticks; what reStructuredText would take for markup is escaped."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r"(`+[^`]+`+)")
_NAME = re.compile(r"`[A-Za-z_][\w.]*`")
_MARKUP = re.compile(r"([\\*|])|(?<=\w)_(?!\w)")


def plain(text: str) -> str:
    """The same text in reStructuredText: names in backticks may become links, other code is literal."""
    pieces = []
    for piece in _CODE.split(text):
        if not piece.startswith("`"):
            piece = _MARKUP.sub(lambda found: f"\\{found[0]}", piece)
        elif not _NAME.fullmatch(piece):
            piece = f"``{piece.strip('`')}``"
        pieces.append(piece)
    return "".join(pieces)


def _escape(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    if lines:
        lines[:] = plain("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Escape before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
