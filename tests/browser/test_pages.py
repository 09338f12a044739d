"""What every page of ours does, whatever stands on it."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from ase.build import bulk, molecule
from opened_pages import WINDOWS, OpenPage, assert_drawn, overflow, pixels

from potentials.pages import (
    Arrows,
    Gallery,
    Page,
    Plot,
    Section,
    StructureFrame,
    StructureView,
    Table,
    palette,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x = np.linspace(0, 6, 100)
    curves = go.Figure([go.Scatter(x=x, y=np.sin(n * x), name=f"curve {n}") for n in (1, 2)])
    curves.update_layout(xaxis_title="x", yaxis_title="y")
    density = go.Figure(go.Heatmap(z=np.outer(x, x), colorscale=palette.DENSITY, showscale=False))
    view = StructureView(
        [
            StructureFrame("molecule", molecule("H2O"), [Arrows("forces", np.eye(3), palette.REFERENCE)], "water"),
            StructureFrame("crystal", bulk("Si", cubic=True), caption="silicon"),
        ]
    )
    sections = [
        Section("Table", parts=[Table(["name", "value"], [["first", "1"], ["second", "2"]], filterable=True)]),
        Section("Curves", "smooth.", [Plot(curves, "Two sines.")]),
        Section("Choice", parts=[Gallery({"density": Plot(density), "curves": Plot(curves)})]),
        Section("Structures", parts=[view]),
        Section("Long words", "", missing="/a/very/long/path" * 30),
    ]
    file = tmp_path_factory.mktemp("pages") / "page.html"
    file.write_text(Page("A page", "of a test", sections, [("name", "value")]).html())
    return file


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_plots_and_structures_are_drawn(open_page: OpenPage, page_file: Path, width: int, dark: bool) -> None:
    page = open_page(page_file, width=width, dark=dark)
    assert_drawn(page, "figure.plot > .drawing")
    assert_drawn(page, "figure.structures > .drawing")
    assert overflow(page) == 0
    ground = pixels(page.locator("h1"))[0, 0]
    assert (ground.sum() < 200) == dark


def test_the_theme_can_be_changed_and_plots_follow(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    assert_drawn(page, "#curves .drawing")
    color = "getComputedStyle(document.querySelector('#curves .scatterlayer path.js-line')).stroke"
    before = page.evaluate(color)
    page.click("#theme")
    page.wait_for_function(f"{color} !== '{before}'")
    assert pixels(page.locator("h1"))[0, 0].sum() < 200


def test_pointing_at_a_curve_tells_its_name(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    assert_drawn(page, "#curves .drawing")
    page.locator("#curves .drawing .nsewdrag").first.hover()
    page.locator("#curves .hoverlayer .hovertext").first.wait_for()
    assert "curve" in page.locator("#curves .hoverlayer").text_content()


def test_buttons_choose_plots_and_structures(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    page.get_by_role("button", name="curves").click()
    assert_drawn(page, "#choice .choice:nth-of-type(3) .drawing")
    assert page.locator("#choice .choice").first.is_hidden()
    assert_drawn(page, "#structures .drawing")
    view = page.locator("#structures .drawing")
    before = pixels(view)
    page.get_by_role("button", name="crystal").click()
    page.wait_for_timeout(500)
    assert "silicon" in page.locator("#structures figcaption").text_content()
    assert (np.abs(pixels(view) - before).sum(axis=2) > 30).mean() > 0.01


def test_structures_turn_under_the_mouse(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    assert_drawn(page, "#structures .drawing")
    view = page.locator("#structures .drawing")
    page.wait_for_timeout(500)
    before = pixels(view)
    box = view.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 150, middle[1] + 40, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert (np.abs(pixels(view) - before).sum(axis=2) > 30).mean() > 0.01


def test_a_field_filters_the_rows_of_a_table(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    page.fill("#table .filter", "SEC")
    assert page.locator("#table tbody tr:visible").all_text_contents() == ["second2"]
