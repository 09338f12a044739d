"""Files embedded in pages: our style sheet and scripts, and plotly.js of the installed plotly package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

SCRIPTS = ("theme.js", "plots.js", "structures.js", "tables.js")
"""In loading order, after plotly.js."""


@cache
def asset(name: str) -> str:
    """Return the text of a file in `pages/static`."""
    return files("potentials.pages").joinpath("static", name).read_text(encoding="utf-8")


@cache
def plotly_script() -> str:
    """Return the complete plotly.js, so that pages work without a network."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
