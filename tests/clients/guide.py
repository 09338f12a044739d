"""The snippets of docs/howto/other-programs.md, which the tests run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "other-programs.md"


def snippets(heading: str, language: str = "python") -> list[str]:
    """The blocks of code of one section, subsections excluded."""
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _with_blocks_hidden(), re.DOTALL | re.MULTILINE
    )
    blocks = re.findall(rf"```{language}\n(.*?)```", section.replace(_HASH, "#"), re.DOTALL)
    if not blocks:
        raise LookupError(f"no block of {language} under '{heading}' in {PAGE}")
    return blocks


def run_snippets(heading: str, first: int = 0, last: int | None = None, **names: Any) -> dict[str, Any]:
    """Run the Python of a section in the current folder; returns the names that it leaves."""
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    for block in snippets(heading)[first:last]:
        exec(compile(block, str(PAGE), "exec"), namespace)
    return namespace


_HASH = "\0"


def _with_blocks_hidden() -> str:
    """The page, with comments inside of blocks that would pass for headings marked."""
    text = PAGE.read_text(encoding="utf-8")
    return re.sub(r"```.*?```", lambda match: match[0].replace("#", _HASH), text, flags=re.DOTALL)
