"""Colors of the pages. Most are CSS variables, because they differ between light and dark theme (`page.css`)."""

from __future__ import annotations

from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

SERIES = [f"var(--series-{number})" for number in range(1, 9)]
"""Colors of curves, distinguishable by color-blind readers; beyond eight curves, use dashes as well."""
REFERENCE = "var(--reference)"
"""Color of reference data, computed by the method that the potential is trained on."""
PREDICTION = "var(--prediction)"
"""Color of predictions of the potential."""
INK = "var(--ink)"
"""Color of text and main lines."""
MUTED = "var(--muted)"
"""Color of elements in the background."""
LINE = "var(--line)"
"""Color of rules and grids."""
GOOD, LOOK, BAD = "var(--good)", "var(--look)", "var(--bad)"
SHADE = "var(--shade)"
"""Translucent color of areas behind a plot, such as those without data."""
POSITIVE, NEGATIVE = "var(--positive)", "var(--negative)"
"""Colors of positive and negative values."""
DENSITY = [[0.0, "var(--density-1)"], [0.35, "var(--density-2)"], [0.7, "var(--density-3)"], [1.0, "var(--density-4)"]]
"""Color scale of densities, from low to high."""
DIVERGING = [[0.0, NEGATIVE], [0.5, "var(--neutral)"], [1.0, POSITIVE]]
"""Color scale from negative through zero to positive values."""


_GRAYS = {"H": "#e3e6ea", "C": "#7d838c"}


def element_color(symbol: str) -> str:
    """Return Jmol's color of an element as `#rrggbb`; hydrogen and carbon are grays visible on white and on black."""
    if symbol in _GRAYS:
        return _GRAYS[symbol]
    red, green, blue = (round(255 * part) for part in jmol_colors[atomic_numbers[symbol]])
    return f"#{red:02x}{green:02x}{blue:02x}"
