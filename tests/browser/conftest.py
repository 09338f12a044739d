"""Headless Chromium, and pages whose every error in the console and failed request fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened_pages import OpenPage
from playwright.sync_api import Browser, Page, sync_playwright

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # draws WebGL without a graphics card
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_OF_THE_RENDERER = ("GPU stall due to ReadPixels", "willReadFrequently")
"""Remarks of the software renderer, and of plotly's canvas, on speed."""
_OF_LEAVING = ("net::ERR_ABORTED",)
"""Requests of a page that was closed or loaded anew meanwhile."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    path = next((found for name in _CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium); pages are not opened")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """A page opened in a window of its own; what goes wrong in any of them fails the test when it ends."""
    problems: list[str] = []
    contexts = []

    def open_page(address: str | Path, width: int = 1400, dark: bool = False, height: int = 900) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(f"{request.url}: {request.failure}"))
        page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    told = [
        problem for problem in problems if not any(remark in problem for remark in (*_OF_THE_RENDERER, *_OF_LEAVING))
    ]
    assert not told, told
