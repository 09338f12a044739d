"""Style sheets and scripts of the page: our own, those of `pages`, and plotly.js of the installed package."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from potentials.errors import DashboardError

STYLES = ("page.css", "dashboard.css")
KIT_SCRIPTS = ("theme.js", "plots.js")
SCRIPTS = (
    "elements.js",
    "formats.js",
    "selection.js",
    "server.js",
    "table.js",
    "charts.js",
    "comparison.js",
    "details.js",
    "main.js",
)
"""In loading order, after the files of `pages`."""
PLOTLY = "plotly.min.js"
_KIT = ("page.css", *KIT_SCRIPTS)
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True)
class Asset:
    """A file that browsers may cache permanently: its address changes with its contents."""

    name: str
    contents: bytes
    compressed: bytes
    """Contents compressed by gzip."""
    media_type: str

    @property
    def tag(self) -> str:
        """Hash of the contents."""
        return hashlib.blake2b(self.contents, digest_size=6).hexdigest()


@cache
def asset(name: str) -> Asset:
    """Return a file by its name.

    Raises:
        KeyError: there is no file of this name.
        DashboardError: the plotly package is incomplete.
    """
    if name == PLOTLY:
        contents = _plotly_file().read_bytes()
    elif name in _KIT:
        # Through the top package: importing `potentials.pages` would import plotly and ASE.
        contents = files("potentials").joinpath("pages", "static", name).read_bytes()
    elif name in STYLES or name in SCRIPTS:
        contents = files("potentials").joinpath("dashboard", "static", name).read_bytes()
    else:
        raise KeyError(name)
    return Asset(
        name, contents, gzip.compress(contents, 1 if name == PLOTLY else 6, mtime=0), _TYPES[name.rpartition(".")[2]]
    )


def tags() -> dict[str, str]:
    """Return the tags in the addresses of files by name; for plotly.js its size, so that it need not be read here."""
    tags = {name: asset(name).tag for name in (*STYLES, *KIT_SCRIPTS, *SCRIPTS)}
    return tags | {PLOTLY: f"{_plotly_file().stat().st_size:x}"}


def _plotly_file() -> Path:
    spec = find_spec("plotly")
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = next((file for place in places if (file := Path(place) / "package_data" / PLOTLY).is_file()), None)
    if found is None:
        raise DashboardError(f"the plotly package has no {PLOTLY}; reinstall it: pip install --force-reinstall plotly")
    return found
