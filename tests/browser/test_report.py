"""The report of a small potential, opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from opened_pages import WINDOWS, OpenPage, assert_drawn, overflow, pixels
from playwright.sync_api import Page
from toy_family import forget_toy, register_toy, toy_run

from potentials.report.report import SECTIONS, write_report
from potentials.training.run import train

pytestmark = pytest.mark.slow

SHOWN = ("learning", "parity", "errors", "worst", "dimers", "symmetry", "provenance")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    register_toy()
    run = train(toy_run(tmp_path_factory.mktemp("runs")), progress=False)
    yield write_report(run.folder, skip=set(SECTIONS) - set(SHOWN))
    forget_toy()


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_everything_is_drawn(open_page: OpenPage, report: Path, width: int, dark: bool) -> None:
    page = open_page(report, width=width, dark=dark)
    assert_drawn(page, "figure.plot > .drawing")
    assert_drawn(page, "figure.structures > .drawing")
    assert overflow(page) == 0
    titles = page.locator("main h2").all_text_contents()
    assert titles[0] == "Summary"
    assert len(titles) == len(SHOWN) + 1
    assert page.locator("#summary .mark").count() >= 3


def points(page: Page, place: str) -> list[dict[str, float]]:
    """Where the points of a plot's last trace are, in the window."""
    return page.locator(place).evaluate(
        """(plot) => [...plot.querySelectorAll('.scatterlayer .trace:last-child path.point')].map((point) => {
            const box = point.getBoundingClientRect();
            return {x: box.x + box.width / 2, y: box.y + box.height / 2};
        })"""
    )


def test_pointing_at_a_point_names_file_frame_and_atom(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    place = "#predictions-against-labels .gallery:has(button:text('train')) >> nth=1"  # of the forces
    assert_drawn(page, f"{place} >> figure.plot > .drawing")
    drawing = page.locator(f"{place} >> .choice:not([hidden]) .drawing")
    drawing.scroll_into_view_if_needed()
    place_of_drawing = f"{place} >> .choice:not([hidden]) .drawing"
    found = points(page, place_of_drawing)
    assert len(found) > 50
    rightmost = max(found, key=lambda point: point["x"])
    page.mouse.move(rightmost["x"], rightmost["y"])
    hover = page.locator(f"{place_of_drawing} >> .hoverlayer .hovertext").first
    hover.wait_for()
    text = hover.text_content()
    assert "builtin:copper, frame" in text
    assert "atom" in text
    assert "(Cu)" in text


def test_buttons_choose_parts(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    gallery = page.locator("#predictions-against-labels .gallery").first
    gallery.scroll_into_view_if_needed()
    assert "test, 5 frames" in gallery.locator("figcaption:visible").text_content()
    gallery.get_by_role("button", name="train").click()
    assert "train, 28 frames" in gallery.locator("figcaption:visible").text_content()
    assert_drawn(page, "#predictions-against-labels .gallery >> nth=0 >> .choice:not([hidden]) .drawing")


def differing(one: np.ndarray, other: np.ndarray) -> float:
    return float((np.abs(one - other).sum(axis=2) > 30).mean())


def test_worst_frames_turn_and_can_be_chosen(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    assert_drawn(page, "#frames-with-the-largest-errors .drawing")
    view = page.locator("#frames-with-the-largest-errors .drawing")
    page.wait_for_timeout(500)
    before = pixels(view)
    box = view.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 160, middle[1] + 40, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    turned = pixels(view)
    assert differing(before, turned) > 0.01
    caption = page.locator("#frames-with-the-largest-errors .of-frame")
    first = caption.text_content()
    assert "force RMSE" in first
    page.locator("#frames-with-the-largest-errors").get_by_role("button", name="10", exact=True).click()
    page.wait_for_timeout(500)
    assert caption.text_content() != first
    assert differing(turned, pixels(view)) > 0.01


def test_the_configuration_opens(open_page: OpenPage, report: Path) -> None:
    page = open_page(report)
    page.get_by_text("Configuration (resolved.yaml)").click()
    assert "train: builtin:copper@1:40" in page.locator("#provenance pre:visible").text_content()
