"""Links of the pages to files of the repository outside docs/, which the site has as pages of its own."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

PAGES = {
    "README.md": "/index.md",
    "CONTRIBUTING.md": "/contributing.md",
    "CHANGELOG.md": "/changelog.md",
}
_LINK = re.compile(r"\]\((?:\.\./)+([\w./-]+)\)")


def _to_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = _LINK.sub(lambda link: f"]({PAGES[link[1]]})" if link[1] in PAGES else link[0], source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Change the links when a page is read; on GitHub they lead to the files."""
    app.connect("source-read", _to_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
