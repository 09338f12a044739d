"""Pages, or parts of pages, that are written from the code when the site is built.

A page says where: `<!-- generated: configuration -->` stands for the configuration reference, `study` for the keys of a
study, `commands` for the command line, and `settings of NAME` for the settings of a model family.
"""

from __future__ import annotations

import re
from typing import Any

from command_reference import commands
from configuration_reference import configuration, settings_of_family, study
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

_PLACE = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)


def _text(place: re.Match[str]) -> str:
    what, _, family = place[1].partition(" of ")
    if what == "configuration":
        return configuration()
    if what == "study":
        return study()
    if what == "commands":
        return commands()
    if what == "settings" and family:
        return settings_of_family(family)
    raise ExtensionError(
        f"nothing is generated as {place[1]!r}; expected configuration, study, commands, or settings of NAME"
    )


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = _PLACE.sub(_text, source[0])


def _generated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages that have to be read again whenever the site is built, since the code may have changed."""
    return [name for name in env.found_docs if _PLACE.search(env.doc2path(name).read_text(encoding="utf-8"))]


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill the pages when they are read."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
