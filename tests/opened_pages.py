"""What tests look at in a page that Chromium has opened (`tests/browser`)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

OpenPage = Callable[..., Page]
WINDOWS = [
    pytest.param(1400, False, id="1400-light"),
    pytest.param(400, True, id="400-dark"),
    pytest.param(1400, True, id="1400-dark", marks=pytest.mark.long),
    pytest.param(400, False, id="400-light", marks=pytest.mark.long),
]
"""`width` of the window, and whether its user likes it `dark`."""


def pixels(element: Locator) -> np.ndarray:
    """What an element looks like, [height, width, 3]."""
    element.scroll_into_view_if_needed()
    return np.asarray(Image.open(BytesIO(element.screenshot())).convert("RGB"), dtype=np.int64)


def assert_drawn(page: Page, selector: str, share: float = 0.002) -> None:
    """Make sure that the elements are there, and that this share of each one's pixels differs from its corner's."""
    elements = page.locator(selector).all()
    assert elements, f"nothing fits {selector}"
    for element in elements:
        if not element.is_visible():
            continue
        element.scroll_into_view_if_needed()
        element.locator("svg, canvas").first.wait_for()
        page.wait_for_timeout(100)
        image = pixels(element)
        differing = (np.abs(image - image[0, 0]).sum(axis=2) > 30).mean()
        assert differing > share, f"{selector}: only {differing:.2%} of the pixels are drawn on"


def overflow(page: Page) -> int:
    """Pixels by which a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
