"""The page of `potentials visualize` in Chromium."""

import re
from pathlib import Path

import numpy as np
import pytest
from opened_pages import WINDOWS, OpenPage, assert_drawn, overflow, pixels
from playwright.sync_api import Page

import potentials
from potentials.visualization import visualization_page
from potentials.visualization.structures import structure_to_show

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    potential = potentials.load("builtin:ethanol")
    frame = structure_to_show(potential, None)
    file = tmp_path_factory.mktemp("visualize") / "page.html"
    file.write_text(visualization_page(potential, frame.atoms, model_name="builtin:ethanol", structure_name=str(frame)))
    return file


def _differs(before: np.ndarray, after: np.ndarray) -> float:
    return float((np.abs(after - before).sum(axis=2) > 30).mean())


def _settled(page: Page, selector: str) -> np.ndarray:
    assert_drawn(page, selector)
    page.wait_for_timeout(600)
    return pixels(page.locator(selector))


def _apart(page: Page) -> float:
    """Largest distance in A between the surfaces of the computed and the expected features."""
    return float(
        page.evaluate(
            """() => {
              const places = [...document.querySelectorAll("#equivariance .drawing")];
              const [a, b] = places.map((place) => place.data.at(-1));
              return Math.max(...a.x.map((_, n) => Math.hypot(a.x[n] - b.x[n], a.y[n] - b.y[n], a.z[n] - b.z[n])));
            }"""
        )
    )


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
def test_all_pictures_are_drawn(open_page: OpenPage, page_file: Path, width: int, dark: bool) -> None:
    page = open_page(page_file, width=width, dark=dark)
    assert_drawn(page, "figure.visual .drawing")
    assert_drawn(page, "figure.structures > .drawing")
    assert_drawn(page, "#tensor-product-paths .choice:not([hidden]) .drawing")
    assert overflow(page) == 0
    assert page.locator("canvas").count() <= 8 * 2  # plotly has two for a scene


def test_the_angle_turns_molecule_and_features_together(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    drawings = [f"#equivariance .drawing[data-name={name}]" for name in ("computed", "expected")]
    before = [_settled(page, drawing) for drawing in drawings]
    assert _apart(page) < 1e-4
    page.locator("#equivariance input[type=range]").fill("5")
    after = [_settled(page, drawing) for drawing in drawings]
    assert all(_differs(first, second) > 0.01 for first, second in zip(before, after, strict=True))
    assert _apart(page) < 1e-4
    said = page.locator("#equivariance .said").text_content()
    assert said.startswith("Rotated by 75")
    # Features left as they were are not those of the turned molecule.
    page.locator("#equivariance").get_by_label("right picture", exact=True).select_option("1")
    assert _differs(after[1], _settled(page, drawings[1])) > 0.002
    assert _apart(page) > 0.1


def test_an_atom_can_be_chosen(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    scene = "#messages-of-the-neighbors .drawing[data-name=scene]"
    before = _settled(page, scene)
    page.locator("#messages-of-the-neighbors").get_by_label("atom", exact=True).select_option("2")
    assert "O 2 has" in page.locator("#messages-of-the-neighbors .said").text_content()
    assert _differs(before, _settled(page, scene)) > 0.005


def test_an_atom_can_be_clicked(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    section = page.locator("#messages-of-the-neighbors")
    scene = section.locator(".drawing[data-name=scene]")
    image = _settled(page, "#messages-of-the-neighbors .drawing[data-name=scene]")
    red = (image[:, :, 0] > 200) & (image[:, :, 1] < 40) & (image[:, :, 2] < 40)  # oxygen
    rows, columns = np.nonzero(red)
    box = scene.bounding_box()
    place = (box["x"] + np.median(columns), box["y"] + np.median(rows))
    page.mouse.move(place[0] - 5, place[1])
    page.wait_for_timeout(400)
    page.mouse.move(*place)
    section.locator(".hovertext, .hoverlayer text").first.wait_for(state="attached")
    page.mouse.down()
    page.wait_for_timeout(100)
    page.mouse.up()
    chosen = "document.querySelector('#messages-of-the-neighbors select').selectedIndex"
    page.wait_for_function(f"{chosen} === 2")


def test_blocks_channels_and_places_can_be_chosen(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    section, scene = page.locator("#features-on-the-atoms"), "#features-on-the-atoms .drawing[data-name=scene]"
    before = _settled(page, scene)
    section.get_by_label("block", exact=True).select_option("1")
    vectors = _settled(page, scene)
    assert _differs(before, vectors) > 0.005
    section.get_by_label("channel", exact=True).select_option("4")
    channel = _settled(page, scene)
    assert _differs(vectors, channel) > 0.002
    section.get_by_label("atom", exact=True).select_option("3")
    assert _differs(channel, _settled(page, scene)) > 0.002
    section.get_by_label("layer", exact=True).select_option(label="h, species embedding")
    assert re.match(r"0e: scalars", section.locator(".said").text_content())


def test_radial_functions_can_be_chosen(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file)
    section, curves = page.locator("#radial-functions"), "#radial-functions .drawing"
    before = _settled(page, curves)
    section.get_by_label("show", exact=True).select_option("0")
    assert _differs(before, _settled(page, curves)) > 0.005
    section.get_by_label("show", exact=True).select_option("2")
    options = section.get_by_label("path", exact=True).locator("option")
    assert options.count() == 17
    section.get_by_label("neighbor to atom", exact=True).select_option(label="O to C")
    assert_drawn(page, curves)
