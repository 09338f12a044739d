"""The documentation site, built once for all tests and processes, and what its pages hold."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class HtmlPage(HTMLParser):
    """Anchors, links and what a page loads."""

    file: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.tags.append(tag)
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "shortcut icon", "preload"):
            self.loaded.append(values["href"])
        elif tag in ("img", "script", "source", "iframe", "object") and "src" in values:
            self.loaded.append(values["src"])

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "dt", "dd", "pre", "li", "td", "h1", "h2", "h3"):
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@dataclass(frozen=True)
class Site:
    """The built site."""

    folder: Path
    exit_code: int
    output: str

    @cached_property
    def pages(self) -> dict[str, HtmlPage]:
        """By their path in the site, without the ending."""
        found = sorted(self.folder.rglob("*.html"))
        return {file.relative_to(self.folder).with_suffix("").as_posix(): HtmlPage(file) for file in found}


def built_site(docs: Path, shared: Path) -> Site:
    """Build with warnings as errors; processes that share the folder share the site.

    Args:
        docs: the sources.
        shared: folder of this test run.
    """
    folder, log = shared / "site", shared / "site.log"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not log.exists():
            command = [sys.executable, "-m", "sphinx", "-b", "html", "-E", "-q", "-W", "--keep-going"]
            command += ["-d", str(shared / "site-doctrees"), str(docs), str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=docs.parent)
            log.write_text(f"{done.returncode}\n{done.stdout}{done.stderr}", encoding="utf-8")
    code, _, output = log.read_text(encoding="utf-8").partition("\n")
    return Site(folder, int(code), output)
