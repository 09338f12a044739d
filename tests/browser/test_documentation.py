"""The documentation site as readers see it: drawn, within the window, and searchable."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from documentation_site import Site
from opened_pages import OpenPage, overflow, pixels

pytestmark = pytest.mark.slow

PAGES = (
    "index",
    "first-hour",
    "configuration",
    "command-line",
    "families/mace",
    "families/ponita",
    "families",
    "accuracy-and-speed",
    "howto/loss",
    "api/potential",
    "api/equivariant",
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    """Of the site on a server of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site.folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", PAGES)
def test_pages_stay_within_the_window(open_page: OpenPage, address: str, name: str) -> None:
    for width, dark in ((1400, False), (400, True)):
        page = open_page(f"{address}/{name}.html", width=width, dark=dark)
        assert overflow(page) == 0, width
        assert (pixels(page.locator("h1").first)[0, 0].sum() < 200) == dark


def test_pages_open_from_files(open_page: OpenPage, site: Site) -> None:
    page = open_page(site.folder / "index.html", dark=True)
    page.get_by_role("link", name="The first hour").first.click()
    page.wait_for_url("**/first-hour.html")
    assert page.locator("h1").first.text_content().startswith("The first hour")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_formulas_are_drawn(open_page: OpenPage, address: str, dark: bool) -> None:
    page = open_page(f"{address}/families/mace.html", dark=dark)
    formulas = page.locator(".equation math").all()
    assert len(formulas) >= 3
    for formula in formulas:
        box = formula.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 25
        image = pixels(formula)
        assert (np.abs(image - image[0, 0]).sum(axis=2) > 100).mean() > 0.01
    # A symbol that the converter does not know stands there as text.
    assert "\\" not in "".join(formula.text_content() for formula in formulas)


def test_lines_of_a_formula_are_aligned(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}/families/mace.html")
    rows = page.locator(".equation mtr").all()
    assert len(rows) >= 2
    # The second column begins with the sign of equality.
    starts = [row.locator("mtd").nth(1).locator("mo").first.bounding_box()["x"] for row in rows[:2]]
    assert starts[0] == pytest.approx(starts[1], abs=1)


def test_search_finds_a_key_of_the_configuration(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}/index.html")
    page.fill("input.sidebar-search", "huber_delta")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=huber_delta*")
    results = page.locator("#search-results ul.search li")
    results.first.wait_for()
    assert "Configuration reference" in " ".join(results.all_text_contents())


def test_a_link_to_a_key_leads_to_its_entry(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}/families/mace.html")
    page.get_by_role("link", name="feature_degree").first.click()
    page.wait_for_url("**/configuration.html#*")
    entry = page.locator(":target")
    assert "model.feature_degree (mace)" in entry.text_content()
    page.wait_for_function("document.querySelector(':target').getBoundingClientRect().top < innerHeight")


def test_the_theme_can_be_changed(open_page: OpenPage, address: str) -> None:
    page = open_page(f"{address}/index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.locator(".theme-toggle:visible").first.click()
    page.wait_for_function(f"{ground} !== '{before}'")
    assert pixels(page.locator("h1").first)[0, 0].sum() < 200
