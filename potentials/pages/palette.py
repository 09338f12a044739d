"""Colors of the pages. Most are names that the page resolves, for they differ between light and dark (`page.css`)."""

from __future__ import annotations

from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

SERIES = [f"var(--series-{number})" for number in range(1, 9)]
"""Of curves, told apart by the color-blind; beyond eight they are to be told apart by dashes."""
REFERENCE = "var(--reference)"
"""Of what was computed by the method the potential learns from."""
PREDICTION = "var(--prediction)"
"""Of what the potential says."""
INK = "var(--ink)"
"""Of text and lines that matter."""
MUTED = "var(--muted)"
"""Of what stands in the background."""
LINE = "var(--line)"
"""Of rules and grids."""
GOOD, LOOK, BAD = "var(--good)", "var(--look)", "var(--bad)"
SHADE = "var(--shade)"
"""Translucent, for areas behind a plot, such as those without data."""
POSITIVE, NEGATIVE = "var(--positive)", "var(--negative)"
"""Of signs."""
DENSITY = [[0.0, "var(--density-1)"], [0.35, "var(--density-2)"], [0.7, "var(--density-3)"], [1.0, "var(--density-4)"]]
"""A color scale from few to many."""
DIVERGING = [[0.0, NEGATIVE], [0.5, "var(--neutral)"], [1.0, POSITIVE]]
"""A color scale from negative over zero to positive."""


_GREYS = {"H": "#e3e6ea", "C": "#7d838c"}


def element_color(symbol: str) -> str:
    """Jmol's color of an element, as `#rrggbb`; hydrogen and carbon as grays that are seen on white and on black."""
    if symbol in _GREYS:
        return _GREYS[symbol]
    red, green, blue = (round(255 * part) for part in jmol_colors[atomic_numbers[symbol]])
    return f"#{red:02x}{green:02x}{blue:02x}"
