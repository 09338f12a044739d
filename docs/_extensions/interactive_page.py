"""The interactive page of the guide's molecule, made by the built-in model when the site is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from potentials.files import write_text
from potentials.potential.model_file import load
from potentials.visualization import visualization_page
from potentials.visualization.structures import structure_to_show

MODEL = "builtin:ethanol"
PAGE = "what-it-does-page.html"


def _make(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.name != "html":
        return
    potential = load(MODEL)
    frame = structure_to_show(potential, None)
    page = visualization_page(potential, frame.atoms, model_name=MODEL, structure_name=str(frame))
    write_text(Path(app.outdir) / PAGE, page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it after the pages."""
    app.connect("build-finished", _make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
